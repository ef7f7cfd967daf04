"""The client as a file: what it needs, under which names it is called, and how it is fetched."""

import ast
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from personalq.lib.version import VERSION
from tasks.cli import personalq_cli
from tests.commands.running import CLIENT, PATIENCE_SECONDS, TOKEN, call, run_client
from tests.wire.authority import Authority
from tests.wire.server import WireServer, answering

NAMES = [name for verb in personalq_cli.OLDER for name in (verb, f"{verb}.py")]
LISTED = answering(200, b'{"agents": []}', Content_Type="application/json")


class TestSource:
    def test_python_3_8_can_read_it(self) -> None:
        ast.parse(CLIENT.read_text(), feature_version=(3, 8))

    def test_it_needs_nothing_but_the_standard_library(self) -> None:
        tree = ast.parse(CLIENT.read_text())
        plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        whole = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert {name.partition(".")[0] for name in plain | whole} <= set(sys.stdlib_module_names)

    def test_it_runs_without_the_packages_of_this_installation(self) -> None:
        assert run_client("--version", python=(sys.executable, "-I", "-S")).out == f"personalq-cli {VERSION}\n"

    def test_it_can_be_run_as_it_is(self) -> None:
        assert CLIENT.stat().st_mode & 0o111
        assert CLIENT.read_text().startswith("#!/usr/bin/env python3\n")

    @pytest.mark.parametrize("verb", [*personalq_cli.TASKS, *personalq_cli.OLDER, "install-links"])
    def test_every_verb_explains_itself(self, verb: str) -> None:
        ran = run_client(verb, "--help")
        assert (ran.code, ran.err) == (0, "")
        assert verb in run_client("--help").out

    @pytest.mark.parametrize("arguments", [[], ["nothing"], ["show", "no-id"], ["create_agent"], ["next", "--x"]])
    def test_wrong_usage_is_2(self, arguments: list[str]) -> None:
        ran = run_client(*arguments)
        assert (ran.code, ran.out) == (2, "")
        assert "usage" in ran.err


class TestOlderNames:
    @pytest.fixture
    def links(self, tmp_path: Path) -> Path:
        ran = run_client("install-links", str(tmp_path / "tools"))
        assert ran.code == 0
        assert len(ran.json["links"]) == len(NAMES)
        return tmp_path / "tools"

    def test_links_are_made_for_each_of_them(self, links: Path) -> None:
        assert sorted(path.name for path in links.iterdir()) == sorted(NAMES)
        assert {path.resolve() for path in links.iterdir()} == {CLIENT}

    @pytest.mark.parametrize("name", NAMES)
    def test_under_an_older_name_it_is_that_verb(self, name: str, links: Path) -> None:
        ran = run_client("--help", client=links / name)
        assert (ran.code, ran.err) == (0, "")
        assert f"usage: {name} " in ran.out

    @pytest.mark.parametrize("name", ["list_agents", "list_agents.py"])
    def test_link_works_without_naming_python(self, name: str, links: Path) -> None:
        env: Any = {"PERSONALQ_TOKEN": TOKEN, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
        with WireServer(LISTED) as server:
            ran = run_client(client=links / name, python=(), PERSONALQ_URL=server.url, **env)
        assert (ran.code, ran.json) == (0, {"agents": []})

    def test_making_them_again_changes_nothing(self, links: Path) -> None:
        assert run_client("install-links", str(links)).code == 0
        assert len(list(links.iterdir())) == len(NAMES)

    def test_other_files_are_left_unless_told_otherwise(self, tmp_path: Path) -> None:
        (tmp_path / "list_queues.py").write_text("the older script")
        ran = run_client("install-links", str(tmp_path))
        assert (ran.code, ran.error["code"]) == (1, "exists")
        assert [path.name for path in tmp_path.iterdir()] == ["list_queues.py"]
        assert run_client("install-links", str(tmp_path), "--replace").code == 0
        assert (tmp_path / "list_queues.py").resolve() == CLIENT

    def test_directory_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        ran = run_client("install-links", str(tmp_path / "file"))
        assert (ran.code, ran.error["code"]) == (1, "no_links")
        assert "Name a directory that you may write to." in ran.err


class TestAddresses:
    """The older verbs go to the older paths, wherever those are."""

    def target(self, *arguments: str, suffix: str = "", **env: str) -> str:
        with WireServer(LISTED) as server:
            named: Any = {name: f"{server.url}{value}" for name, value in env.items()}
            args = [server.url + suffix if argument == "URL" else argument for argument in arguments]
            assert run_client(*args, PERSONALQ_TOKEN=TOKEN, **named).code == 0
        return server.requests[0].target

    def test_product_has_them_below_its_address(self) -> None:
        assert self.target("list_agents", PERSONALQ_URL="") == "/cursor-agents/agents"
        assert self.target("list_agents", PERSONALQ_URL="/q/") == "/q/cursor-agents/agents"

    def test_older_variable_is_used_as_it_is(self) -> None:
        assert self.target("list_agents", CURSOR_AGENTS_URL="/cursor-agents/") == "/cursor-agents/agents"

    def test_own_variable_goes_before_the_older_one(self) -> None:
        assert self.target("list_agents", PERSONALQ_URL="/q", CURSOR_AGENTS_URL="/old") == "/q/cursor-agents/agents"

    def test_option_goes_before_both(self) -> None:
        assert self.target("list_agents", "--url", "URL", PERSONALQ_URL="/q") == "/cursor-agents/agents"

    def test_tasks_do_not_go_to_the_older_address(self) -> None:
        ran = run_client("list", CURSOR_AGENTS_URL="https://queue.example.org/cursor-agents", PERSONALQ_TOKEN=TOKEN)
        assert (ran.code, ran.error["code"]) == (1, "no_address")
        assert self.target("list", PERSONALQ_URL="/q").startswith("/q/api/v1/tasks?")


def speak_plainly(listening: socket.socket) -> None:
    wire, _ = listening.accept()
    with wire:
        wire.recv(4096)
        wire.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.security
class TestCertificates:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path)

    def test_authority_of_ones_own_is_believed_when_named(self, authority: Authority) -> None:
        with WireServer(LISTED, tls=authority.context()) as server:
            assert call(server.url, "list_agents", SSL_CERT_FILE=str(authority.file)).code == 0

    def test_stranger_gets_no_token(self, authority: Authority) -> None:
        contexts = {
            "unknown": (authority.context(), {}),
            "other name": (authority.context("other.example.com"), {"SSL_CERT_FILE": str(authority.file)}),
            "expired": (authority.context(is_expired=True), {"SSL_CERT_FILE": str(authority.file)}),
        }
        for context, env in contexts.values():
            with WireServer(LISTED, tls=context) as server:
                ran = call(server.url, "list_agents", **env)
            assert (ran.code, ran.error["code"], server.requests) == (1, "tls_failed", [])
            assert "certificate" in ran.error["error"]

    def test_plain_server_is_no_tls_server(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            speaker = threading.Thread(target=speak_plainly, args=[listening])
            speaker.start()
            ran = call(f"https://127.0.0.1:{listening.getsockname()[1]}", "list_agents")
            speaker.join()
        assert ran.error["code"] == "tls_failed"


@pytest.mark.django_db
class TestDownload:
    def test_everybody_gets_the_file_as_it_is(self, client: Client) -> None:
        answer = client.get("/cli/personalq-cli", secure=True)
        assert (answer.status_code, answer.content) == (200, CLIENT.read_bytes())
        assert answer["Content-Type"] == "text/x-python; charset=utf-8"
        assert answer["Content-Disposition"] == 'attachment; filename="personalq-cli"'
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Cache-Control"] == "no-cache"

    def test_who_has_it_already_is_told_so(self, client: Client) -> None:
        tag = client.get("/cli/personalq-cli", secure=True)["ETag"]
        again = client.get("/cli/personalq-cli", secure=True, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        other = client.get("/cli/personalq-cli", secure=True, headers={"If-None-Match": '"older"'})
        assert other.status_code == 200

    def test_nothing_can_be_sent_there(self, client: Client) -> None:
        assert client.post("/cli/personalq-cli", secure=True).status_code == 405


def test_patience_of_the_tests_is_longer_than_that_of_the_client() -> None:
    assert personalq_cli.TIMEOUT_SECONDS < PATIENCE_SECONDS
