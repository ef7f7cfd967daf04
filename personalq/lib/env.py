"""Typed readers of the environment that name the variable and never show its value.

``personalq.settings`` is the only caller: every other module reads ``django.conf.settings``.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.http.request import split_domain_port, validate_host

from personalq.lib.commands import Command, Workspace, read_command, read_workspace
from personalq.lib.outbound.refusals import HttpRefused
from personalq.lib.outbound.urls import parse_target, parse_url
from personalq.lib.rates import parse_rate

T = TypeVar("T")

SHORTEST_SECRET = 32
FEWEST_DISTINCT_CHARACTERS = 8
MAX_SECRET_FILE_BYTES = 64 * 1024
LARGEST_SETTING = 10**9

# Words that stand where a secret belongs: in examples, tutorials and in other people's repositories.
_PLACEHOLDER = re.compile(
    r"change[-_ ]?(?:me|this)|replace[-_ ]?(?:me|this|with)|place[-_ ]?holder|your[-_ ]|example"
    r"|insert[-_ ]|django-insecure|secret[-_ ]?key|\bsecret\b|password|passw0rd|default|\bdummy\b"
    r"|\btest(?:ing)?\b|\badmin\b|to[-_ ]?be[-_ ]?(?:set|generated)|letmein|qwerty|0123456789|abcdefgh",
    re.IGNORECASE,
)
_ORIGIN = re.compile(r"https?://(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?")
_files_read: list[Path] = []
_INTEGER = re.compile(r"[0-9]{1,15}")
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


def load_file(base_directory: Path) -> None:
    """Read ``.env``, or the file that PERSONALQ_ENV_FILE names, below the real environment."""
    named = text("PERSONALQ_ENV_FILE", "")
    path = Path(named) if named else base_directory / ".env"
    if path.is_file():
        _files_read.append(path)
        environ.Env.read_env(str(path), overwrite=False)
    elif named:
        raise ImproperlyConfigured("PERSONALQ_ENV_FILE names no file. Correct the path or unset it.")


def text(name: str, default: str | None = None) -> str:
    """The variable as it is, without white space around it."""
    value = _raw(name)
    if value is None:
        if default is None:
            raise ImproperlyConfigured(f"{name} is not set. Set it in the environment or in .env.")
        return default
    return value.strip()


def boolean(name: str, *, default: bool) -> bool:
    value = (_raw(name) or "").strip().lower()
    if not value:
        return default
    if value not in _TRUE | _FALSE:
        raise ImproperlyConfigured(f"{name} must be true or false.")
    return value in _TRUE


def positive_int(name: str, default: int, maximum: int = LARGEST_SETTING, *, minimum: int = 1) -> int:
    """A whole number from ``minimum`` to ``maximum``."""
    value = (_raw(name) or "").strip()
    if not value:
        return default
    if not _INTEGER.fullmatch(value) or not minimum <= int(value) <= maximum:
        raise ImproperlyConfigured(f"{name} must be a whole number from {minimum} to {maximum}.")
    return int(value)


def days_kept(name: str, default: int, maximum: int, *, fewest: int) -> int:
    """For how many days something is kept, from ``fewest`` to ``maximum``; 0 stands for ever."""
    value = positive_int(name, default, maximum, minimum=0)
    if 0 < value < fewest:
        raise ImproperlyConfigured(f"{name} must be 0, which keeps for ever, or from {fewest} to {maximum}.")
    return value


def positive_float(name: str, default: float, maximum: float) -> float:
    """A number above 0, at most ``maximum``."""
    value = (_raw(name) or "").strip()
    if not value:
        return default
    if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", value) or not 0 < float(value) <= maximum:
        raise ImproperlyConfigured(f"{name} must be a number above 0 and at most {maximum}.")
    return float(value)


def words(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """A list separated by commas; blanks around the items and empty items are dropped."""
    value = _raw(name)
    if value is None:
        return list(default)
    return [word.strip() for word in value.split(",") if word.strip()]


def internal_hosts(name: str) -> list[str]:
    """Exact ``host:port`` pairs, in the form in which the outbound client compares them."""
    return [_internal_host(name, word) for word in words(name)]


def _internal_host(name: str, target: str) -> str:
    try:
        return parse_target(target)
    except HttpRefused:
        raise ImproperlyConfigured(
            f"{name} must list hosts with their ports, such as runner.internal:8080 or 127.0.0.1:11434, separated by "
            "commas. There are no patterns, schemes or paths."
        ) from None


def base_urls(name: str, default: tuple[str, ...], *, internal: Sequence[str]) -> list[str]:
    """Addresses of APIs, without a slash at their end; unset or blank means the default.

    Raises:
        ImproperlyConfigured: One is no https address without query, nor http to one of the ``internal`` hosts.
    """
    return [_base_url(name, word, internal) for word in words(name) or default]


def optional_base_url(name: str, *, internal: Sequence[str]) -> str:
    """One address without a slash at its end; empty when it is not set. Raises as `base_urls`."""
    value = text(name, "")
    return _base_url(name, value, internal) if value else ""


def _base_url(name: str, url: str, internal: Sequence[str]) -> str:
    try:
        checked = parse_url(url, internal=internal)
    except HttpRefused as refusal:
        raise ImproperlyConfigured(f"{name} has an address that may not be called. {refusal}") from None
    if checked.query is not None:
        raise ImproperlyConfigured(f"{name} must list addresses without a query, such as https://api.example.com/v1.")
    return str(checked).rstrip("/")


def public_url(name: str, *, default: str, https: bool, allowed_hosts: Sequence[str]) -> str:
    """The origin under which others reach us, such as https://q.example.org, without a slash at its end.

    Empty when it is not set and there is no default that our own ALLOWED_HOSTS let in.
    """
    value = text(name, "").removesuffix("/")
    if not value:
        return default if default and _is_ours(default, allowed_hosts) else ""
    if not _ORIGIN.fullmatch(value) or (https and not value.startswith("https://")):
        schemes = "https://" if https else "http:// or https://"
        raise ImproperlyConfigured(
            f"{name} must be {schemes} with a host name, and a port if needed, and nothing else."
        )
    if not _is_ours(value, allowed_hosts):
        raise ImproperlyConfigured(f"{name} names a host that is not in ALLOWED_HOSTS, so callbacks would be refused.")
    return value


def _is_ours(origin: str, allowed_hosts: Sequence[str]) -> bool:
    host, _ = split_domain_port(urlsplit(origin).netloc)
    return validate_host(host, allowed_hosts)


def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    value = text(name, default) or default
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of: {', '.join(choices)}.")
    return value


def json_object(name: str) -> dict[str, Any]:
    """A JSON object; unset or blank means an empty one."""
    value = (_raw(name) or "").strip()
    if not value:
        return {}
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise ImproperlyConfigured(f"{name} must be a JSON object such as {{}}.")
    return parsed


def rate(name: str, default: str) -> str:
    """A rate such as 10/m."""
    value = text(name, default) or default
    try:
        parse_rate(value)
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(f"{name} is not a rate. {error}") from None
    return value


def commands(name: str) -> dict[str, Command]:
    """The operator's allow-list of programs (``personalq.lib.commands`` tells what may be said of each)."""
    return _read_each(name, read_command)


def workspaces(name: str) -> dict[str, Workspace]:
    """What the operator lets a task's directory start from."""
    return _read_each(name, read_workspace)


def _read_each(name: str, read: Callable[[str, object], T]) -> dict[str, T]:
    try:
        return {each: read(each, value) for each, value in json_object(name).items()}
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from None


def both_or_neither(first: str, second: str) -> bool:
    """Whether both variables are set. One alone is an error."""
    given = [bool((_raw(each) or "").strip()) for each in (first, second)]
    if any(given) and not all(given):
        raise ImproperlyConfigured(f"Set both {first} and {second} for servers of your own, or neither.")
    return all(given)


def redis_urls(name: str) -> tuple[str, str, str]:
    """One Redis server as three logical databases: channel layer 0, cache 1, broker 2."""
    url = urlsplit(text(name))
    if url.scheme not in {"redis", "rediss", "unix"}:
        raise ImproperlyConfigured(f"{name} must begin with redis://, rediss:// or unix://.")
    if url.scheme == "unix":
        return _redis_socket_urls(f"{url.netloc}{url.path}", dict(parse_qsl(url.query)))
    if url.path not in {"", "/", "/0"}:
        raise ImproperlyConfigured(f"{name} must not name a database: 0, 1 and 2 are used.")
    if url.scheme == "rediss":
        # Of the three clients kombu alone would take any certificate unless it is told not to.
        url = url._replace(query=urlencode({"ssl_cert_reqs": "required", **dict(parse_qsl(url.query))}))
    addresses = [urlunsplit(url._replace(path=f"/{number}")) for number in range(3)]
    return addresses[0], addresses[1], addresses[2]


def _redis_socket_urls(path: str, options: dict[str, str]) -> tuple[str, str, str]:
    queries = [urlencode({**options, "db": number}) for number in range(2)]
    # kombu names the same socket in its own way.
    broker = urlencode({**options, "virtual_host": 2})
    return f"unix://{path}?{queries[0]}", f"unix://{path}?{queries[1]}", f"redis+socket://{path}?{broker}"


def secret(name: str) -> str:
    """A secret from the variable, or from the file that ``<name>_FILE`` names.

    Raises:
        ImproperlyConfigured: It is missing, set twice, blank, short, well known or too regular to be random.
    """
    value = _secret_text(name)
    if value is None:
        raise ImproperlyConfigured(f"{name} is not set. {_ADVICE}")
    refuse_weak(name, value)
    return value


def optional_secret(name: str) -> str:
    """As ``secret``, but unset or blank means an empty text."""
    return secret(name) if _secret_text(name) else ""


def secret_list(name: str, *, most: int) -> dict[str, str]:
    """One to ``most`` secrets, separated by commas or line breaks, from the variable or its ``_FILE``.

    Returns them in their order, each under the words that name it in errors.

    Raises:
        ImproperlyConfigured: As ``secret``, for any of them; there are too many; two are equal.
    """
    text = _secret_text(name)
    if text is None:
        raise ImproperlyConfigured(f"{name} is not set. {_ADVICE}")
    values = [value.strip() for value in re.split(r"[,\r\n]", text) if value.strip()]
    if len(values) > most:
        raise ImproperlyConfigured(f"{name} has more than {most} entries. Remove those that are no longer needed.")
    found = {f"{name} (entry {number})": value for number, value in enumerate(values or [""], start=1)}
    for entry, value in found.items():
        refuse_weak(entry, value)
    distinct(found)
    return found


def email(name: str) -> dict[str, Any]:
    """Django's EMAIL_ settings from an address such as smtp+tls://user:password@host:587, or from its ``_FILE``.

    Empty when it is not set.

    Raises:
        ImproperlyConfigured: It is no such address. Its text, which holds a password, is not repeated.
    """
    value = _secret_text(name)
    if not value:
        return {}
    try:
        found = environ.Env.email_url_config(value)
    except (ImproperlyConfigured, ValueError, KeyError):
        found = {}
    if not found.get("EMAIL_HOST") or value.partition(":")[0] not in _EMAIL_SCHEMES:
        raise ImproperlyConfigured(f"{name} must be like smtp+tls://user:password@mail.example.org:587.")
    return {key: each for key, each in found.items() if key.startswith("EMAIL_") and key != "EMAIL_FILE_PATH"}


def distinct(secrets: Mapping[str, str]) -> None:
    """Refuse two names with one value: one leak would open two doors."""
    seen: dict[str, str] = {}
    for name, value in secrets.items():
        if value in seen:
            raise ImproperlyConfigured(f"{seen[value]} and {name} are equal. Give each its own random value.")
        seen[value] = name


def files_read() -> list[str]:
    """The files from which variables and secrets were read so far."""
    return sorted({str(path.absolute()) for path in _files_read})


def refuse_unsafe(*, debug: bool, allowed_hosts: Sequence[str]) -> None:
    """Refuse what no installation with HTTPS may have. Web and worker processes run no system checks."""
    if debug:
        raise ImproperlyConfigured(
            "DEBUG is on while PERSONALQ_HTTPS is on. Unset DEBUG: its error pages show settings and code."
        )
    if any(host in {"*", "."} for host in allowed_hosts):
        raise ImproperlyConfigured(
            "ALLOWED_HOSTS admits every host name. List the names under which people reach this installation."
        )


_EMAIL_SCHEMES = ("smtp", "smtp+tls", "smtp+ssl")
_ADVICE = 'Generate one: python3 -c "import secrets; print(secrets.token_urlsafe(48))"'


def _raw(name: str) -> str | None:
    # django-environ would follow a value that begins with "$" to another variable; a secret may begin so.
    value = environ.Env.ENVIRON.get(name)
    return None if value is None else str(value)


def _secret_text(name: str) -> str | None:
    direct, file_name = _raw(name), _raw(f"{name}_FILE")
    if direct is not None and file_name:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set. Keep one of them.")
    if file_name:
        return _read_secret_file(f"{name}_FILE", Path(file_name))
    return None if direct is None else direct.strip()


def _read_secret_file(name: str, path: Path) -> str:
    _files_read.append(path)
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(MAX_SECRET_FILE_BYTES).strip()
    except (OSError, UnicodeDecodeError):
        raise ImproperlyConfigured(f"{name} names a file that cannot be read as text.") from None


def refuse_weak(name: str, value: str) -> None:
    """Raises ImproperlyConfigured when a secret is blank, short, well known or too regular to be random."""
    if not value:
        raise ImproperlyConfigured(f"{name} is blank. {_ADVICE}")
    if len(value) < SHORTEST_SECRET:
        raise ImproperlyConfigured(f"{name} is shorter than {SHORTEST_SECRET} characters. {_ADVICE}")
    if _PLACEHOLDER.search(value):
        raise ImproperlyConfigured(f"{name} is a placeholder or a well-known value. {_ADVICE}")
    if len(set(value)) < FEWEST_DISTINCT_CHARACTERS or _is_repetition(value):
        raise ImproperlyConfigured(f"{name} repeats itself and can be guessed. {_ADVICE}")


def _is_repetition(value: str) -> bool:
    # A text is a repetition of a shorter one exactly when it is found inside its own double, off the ends.
    return value in (value + value)[1:-1]
