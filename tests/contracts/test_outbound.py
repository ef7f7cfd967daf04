"""Nobody but the outbound client opens connections to others."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contracts.test_architecture import ROOT, sources

pytestmark = pytest.mark.security

# Whatever can open an outgoing connection. `socket` has uses that do not; its calls are listed below.
CLIENTS = (
    *(
        "aiohttp",
        "anyio",
        "botocore",
        "curl_cffi",
        "ftplib",
        "grpc",
        "http.client",
        "httpcore",
        "httpcore2",
        "httplib2",
    ),
    *("httpx", "httpx2", "httpx_aiohttp", "imaplib", "nntplib", "paramiko", "poplib", "pycurl", "requests", "smtplib"),
    *("telnetlib", "treq", "urllib.request", "urllib3", "websockets.client", "websockets.sync.client", "xmlrpc.client"),
    *("anthropic", "openai", "django.core.mail", "asyncssh", "websockets.asyncio.client", "httpx_sse", "webbrowser"),
    *("multiprocessing.connection", "logging.handlers"),
)
CALLS = frozenset(
    {
        "create_connection",
        "open_connection",
        "open_unix_connection",
        "create_unix_connection",
        "connect_ex",
        "sock_connect",
    }
    | {"create_datagram_endpoint", "urlopen", "urlretrieve", "getaddrinfo", "gethostbyname", "gethostbyname_ex"}
    | {"get_server_certificate"}
)
METHODS_OF_SOCKETS = frozenset({"connect"})

# File, what it uses, and why that is no way out to others.
ALLOWED = {
    ("personalq/lib/http.py", "httpx2"): "the outbound client: what the SDKs are given",
    ("personalq/lib/outbound/exchange.py", "aiohttp"): "the outbound client: its connections",
    ("personalq/lib/outbound/names.py", "getaddrinfo"): "the outbound client: its one lookup of names",
    ("personalq/lib/probing.py", "http.client"): "asks this very installation, at the address that its operator names",
    ("personalq/lib/probing.py", "create_connection"): "the same, for its certificate",
    ("personalq/embedded/product.py", "http.client"): "asks our own web process on this machine whether it is ready",
    ("personalq/embedded/valkey.py", "connect"): "speaks to our own Valkey through its socket file",
    ("tasks/cli/personalq_cli.py", "http.client"): "the client that people run on their machines; here it is only read",
    ("tasks/cli/personalq_cli.py", "connect"): "the same",
    ("tasks/runners/models/anthropic_wire.py", "anthropic"): "the SDK, over http.client()",
    ("tasks/runners/models/openai_wire.py", "openai"): "the SDK, over http.client()",
    ("accounts/mails.py", "django.core.mail"): "e-mails, to the server that the operator names",
    ("accounts/mails.py", "smtplib"): "the errors of Django's connection, to tell what is worth another try",
    ("webhooks/notices/letters.py", "django.core.mail"): "e-mails, to the server that the operator names",
    ("webhooks/outbound/calls.py", "httpx2"): "types and errors of http.client()",
    ("tasks/runners/models/connections.py", "httpx2"): "types, and a stream around one of http.client()",
}


def used_modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _name(node.func) in {"import_module", "__import__"} and node.args:
            yield str(getattr(node.args[0], "value", ""))


def used_calls(tree: ast.AST) -> Iterator[str]:
    is_about_sockets = "socket" in set(used_modules(tree))
    for node in ast.walk(tree):
        name = _name(node)
        if name in CALLS or (is_about_sockets and name in METHODS_OF_SOCKETS):
            yield name


def _name(node: ast.AST) -> str:
    return str(getattr(node, "attr", getattr(node, "id", getattr(node, "name", ""))))


def ways_out(source: str) -> set[str]:
    tree = ast.parse(source)
    imported = {client for module in used_modules(tree) for client in CLIENTS if f"{module}.".startswith(f"{client}.")}
    return imported | set(used_calls(tree))


def found() -> set[tuple[str, str]]:
    return {
        (str(path.relative_to(ROOT)), way) for path in sources() for way in ways_out(path.read_text(encoding="utf-8"))
    }


def test_only_the_outbound_client_opens_connections() -> None:
    assert found() - set(ALLOWED) == set()


def test_parts_of_the_client_are_used_by_its_door_only() -> None:
    allowed = {"personalq/lib/http.py", "personalq/lib/env.py"}
    users = {
        str(path.relative_to(ROOT))
        for path in sources()
        if any(module.startswith("personalq.lib.outbound") for module in used_modules(ast.parse(path.read_text())))
    }
    assert {user for user in users if not user.startswith("personalq/lib/outbound/")} == allowed


def test_sdks_are_given_the_outbound_client() -> None:
    for path in sources("tasks"):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        for call in calls:
            if _name(call.func) in {"Anthropic", "OpenAI", "AsyncAnthropic", "AsyncOpenAI"}:
                assert "http_client" in {keyword.arg for keyword in call.keywords}, f"{path}:{call.lineno}"


def other_names_of_clients(tree: ast.AST) -> Iterator[str]:
    """Imports after which a call of a client does not look like one: from within it, or under another name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and _is_of_a_client(node.module or ""):
            yield ast.unparse(node)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _is_of_a_client(alias.name) and alias.asname)


def calls_of_clients(tree: ast.AST) -> Iterator[str]:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    yield from (ast.unparse(node) for node in calls if _is_of_a_client(ast.unparse(node.func)))


def _is_of_a_client(name: str) -> bool:
    return name.partition(".")[0] in {"httpx2", "aiohttp"}


@pytest.mark.parametrize("rule", [calls_of_clients, other_names_of_clients], ids=lambda rule: rule.__name__)
def test_clients_are_names_of_types_outside_of_their_door(rule: Callable[[ast.AST], Iterator[str]]) -> None:
    """A-187: what is imported for its types and errors opens no connection, under whatever name."""
    found = [
        f"{path.relative_to(ROOT)}: {each}"
        for path in sources("accounts", "tasks", "realtime", "webhooks")
        for each in rule(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "from httpx2 import AsyncClient",
        "from aiohttp.client import ClientSession as Session",
        "import httpx2 as web",
        "import aiohttp.client as web",
        "httpx2.AsyncClient()",
        "httpx2.AsyncClient().get(url)",
    ],
)
def test_clients_are_seen_under_other_names(source: str) -> None:
    tree = ast.parse(source)
    assert [*calls_of_clients(tree), *other_names_of_clients(tree)]


@pytest.mark.parametrize(
    "source",
    [
        "import requests",
        "import urllib.request",
        "from urllib import request",
        "from urllib.request import urlopen",
        "from http import client",
        "import httpx as h",
        "from aiohttp.client import ClientSession",
        "import importlib\nimportlib.import_module('httpx')",
        "import socket\nsocket.create_connection(('a', 1))",
        "from socket import create_connection",
        "import socket\nsocket.socket().connect(('a', 1))",
        "import asyncio\nasyncio.open_connection('a', 1)",
        "def f():\n    from openai import OpenAI",
        "loop.sock_connect(s, a)",
        "import socket\nsocket.getaddrinfo('a', 1)",
        "import ssl\nssl.get_server_certificate(('a', 443))",
        "from multiprocessing.connection import Client",
        "from multiprocessing import connection",
        "import logging.handlers",
    ],
)
def test_walk_sees_each_way_out(source: str) -> None:
    assert ways_out(source)


@pytest.mark.parametrize(
    "source",
    [
        "import socket\nsocket.gethostname()",
        "def connect() -> None: ...",
        "from urllib.parse import urlsplit",
        "import http",
    ],
)
def test_walk_lets_harmless_uses_be(source: str) -> None:
    assert not ways_out(source)


def test_each_file_of_the_list_exists_or_is_gone_from_it() -> None:
    assert {name for name, _ in ALLOWED if not Path(ROOT, name).is_file()} == set()
