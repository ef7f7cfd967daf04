"""Every kind of secret that a product has, made the way in which people make it, and then shown in wrong places."""

import http.client
import json
import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import httpx2
import pyotp
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from personalq.embedded.env_file import read_env_file
from tests.product.caller import Caller, Record
from tests.product.installation import Installation, installed
from tests.product.looking import Planted
from tests.webhooks.doors.senders import HMAC_FIELDS
from tests.wire.smtp_server import SmtpServer
from tests.wire.telegram_server import Registered, TelegramServer

_TOKEN: Final = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
DOOR_KINDS: Final[dict[str, dict[str, Any]]] = {
    "agent-tools": {},
    "elevenlabs": {},
    "standard": {},
    "github": {},
    "gitlab": {},
    "hmac": HMAC_FIELDS,
}
CREDENTIALS: Final = ("anthropic", "openai", "runner", "command", "elevenlabs")
SECRET_HEADERS: Final = (
    "Authorization",
    "X-Api-Key",
    "X-EL-Secret",
    "X-Webhook-Secret",
    "X-Gitlab-Token",
    "X-Hub-Signature-256",
    "X-Telegram-Bot-Api-Secret-Token",
    "X-Invented",
    "Cookie",
    "Referer",
    "User-Agent",
)
WRONG_DOORS: Final = ("/webhooks/telegram/", "/webhooks/in/", "/webhooks/elevenlabs/")
NOBODY: Final = "00000000-0000-4000-8000-000000000000"


@dataclass
class House:
    """A product, the systems outside that it speaks with, and the secrets that were planted in it."""

    installation: Installation
    smtp: SmtpServer
    telegram: TelegramServer
    planted: Planted = field(default_factory=Planted)
    owner_password: str = ""

    @property
    def port(self) -> int:
        return self.installation.operator.port

    @property
    def letters(self) -> bytes:
        return b"\n".join(bytes(letter.message) for letter in self.smtp.letters)


@contextmanager
def furnished(directory: Path) -> Iterator[House]:
    """A product that runs at the most talkative level, with a password for its mail server."""
    planted = Planted()
    mailer = f"mailer:{planted.plant('password of the mail server')}"
    with ExitStack() as stack:
        smtp, telegram = stack.enter_context(SmtpServer()), stack.enter_context(TelegramServer())
        settings = {
            "LOG_LEVEL": "DEBUG",
            "PERSONALQ_EMAIL_URL": f"smtp://{mailer}@127.0.0.1:{smtp.port}",
            "PERSONALQ_TELEGRAM_URL": telegram.url,
            "PERSONALQ_INTERNAL_HOSTS": telegram.target,
            "PERSONALQ_PUBLIC_URL": "https://localhost",
            **dict.fromkeys(("PERSONALQ_RATE_DOOR_CHANGE", "PERSONALQ_RATE_DOOR_FAILURE"), "100000/m"),
        }
        installation = stack.enter_context(installed(directory, settings))
        installation.start()
        yield House(installation, smtp, telegram, planted)


# --- Planting: what makes a secret is answered to one person, who does not tell -------------------------------------


def plant_all(house: House) -> Caller:
    """Make every kind of secret; returns the operator with a token of their own, whose answers are noted."""
    keys, operator = house.planted.keys, house.installation.operator
    for name, value in read_env_file(house.installation.home.env_file).items():
        if "KEY" in name:
            keys[name] = value
    keys["password of the operator"] = operator.password
    unheard = Caller(house.port, operator.username, operator.password, Record())
    for number in range(2):
        pair = unheard._send("POST", "/api/v1/auth/token", _credentials(operator)).body
        keys |= {f"access token {number}": pair["access"], f"refresh token {number}": pair["refresh"]}
    renewed = unheard._send("POST", "/api/v1/auth/refresh", {"refresh": pair["refresh"]}).body
    keys |= {"access token, renewed": renewed["access"], "refresh token, renewed": renewed["refresh"]}
    unheard.token = operator.token = renewed["access"]
    _plant_credentials(house, unheard)
    _plant_outside(house, unheard)
    _plant_page_secrets(house)
    return operator


def _credentials(caller: Caller) -> dict[str, str]:
    return {"username": caller.username, "password": caller.password}


def _plant_credentials(house: House, unheard: Caller) -> None:
    keys = house.planted.keys
    for provider in CREDENTIALS:
        unheard.make_credential(provider, provider, house.planted.plant(f"credential of {provider}"))
    unheard.make_credential("http", "http", {"X-Api-Key": house.planted.plant("secret header")})
    token = unheard.call("POST", "/tokens", {"name": "program", "scopes": ["tasks:read"]})
    keys["personal token"] = token["token"]
    invited = {"email": "guest@post.example.net", "username": "guest"}
    link = unheard.call("POST", "/invitations", invited)["link"]
    keys["code of an invitation"] = link.partition("#")[2]


def _plant_outside(house: House, unheard: Caller) -> None:
    keys = house.planted.keys
    agent = unheard.make_agent("echo", "echo")
    for kind, more in DOOR_KINDS.items():
        door = unheard.call("POST", "/doors", {"name": kind, "kind": kind, "agent": agent, **more})
        keys[f"secret of a door of {kind}"] = _bare(door["secret"])
        keys[f"new secret of a door of {kind}"] = _bare(
            unheard.call("POST", f"/doors/{door['uuid']}/rotate", {})["secret"]
        )
    endpoint = {"name": "far", "target_url": "https://hooks.example.org/", "kinds": ["task_completed"]}
    keys["secret of a webhook endpoint"] = _bare(unheard.call("POST", "/webhook-endpoints", endpoint)["secret"])
    token = f"7770001:AA{secrets.token_urlsafe(30)}"
    house.telegram.bots[token] = Registered(7770001, "canary_bot")
    bot = unheard.call("POST", "/telegram/bots", {"name": "bot", "token": token})["uuid"]
    unheard.call("PUT", f"/telegram/bots/{bot}/webhook", {})
    code = unheard.call("POST", f"/telegram/bots/{bot}/link-codes", {"agent": agent})["code"]
    keys |= {
        "token of a Telegram bot": token.partition(":")[2],
        "secret of a Telegram webhook": house.telegram.bots[token].webhook["secret_token"],
        "code that links a chat": code,
    }


def _bare(secret: str) -> str:
    return secret.removeprefix("whsec_")


def _plant_page_secrets(house: House) -> None:
    """A session, and a second factor with its recovery codes, of somebody for whom it is set up in a browser."""
    operator, keys = house.installation.operator, house.planted.keys
    house.owner_password = house.planted.plant("password of a user")
    with Browser(house.port) as browser:
        browser.sign_in(operator.username, operator.password)
        form = {"password1": house.owner_password, "password2": house.owner_password, "usable_password": "true"}
        browser.post("/admin/accounts/user/add/", "/admin/accounts/user/add/", username="owner", **form)
    with Browser(house.port) as browser:
        browser.sign_in("owner", house.owner_password)
        page = "/account/second-factor"
        begun = browser.post(page, f"{page}/begin", password=house.owner_password)
        spaced = re.search(r'id="secret-text">([^<]+)<', begun)
        assert spaced is not None, begun
        keys["secret of a second factor"] = secret = spaced[1].replace(" ", "")
        made = browser.post(page, f"{page}/confirm", code=pyotp.TOTP(secret).now())
        codes = re.findall(r"<li><code>([^<]+)</code>", made)
        assert codes
        keys |= {f"cookie {name}": value for name, value in browser.cookies.items()}
        keys |= {f"recovery code {number}": code for number, code in enumerate(codes)}


class Browser:
    """A session whose answers nobody notes."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._client = httpx2.Client(base_url=self._base, follow_redirects=True, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def cookies(self) -> dict[str, str]:
        return dict(self._client.cookies)

    def sign_in(self, username: str, password: str) -> None:
        assert "/sign-in" not in str(self._post("/sign-in", "/sign-in", username=username, password=password).url)

    def post(self, page: str, action: str, **fields: str) -> str:
        return self._post(page, action, **fields).text

    def _post(self, page: str, action: str, **fields: str) -> httpx2.Response:
        token = _TOKEN.search(self._client.get(page).text)
        assert token is not None, page
        form = {**fields, "csrfmiddlewaretoken": token[1]}
        return self._client.post(action, data=form, headers={"Referer": f"{self._base}{page}"})


# --- Misplacing: where a secret comes that somebody put into the wrong field -----------------------------------------


def misplace_all(house: House) -> None:
    """Show each secret where it does not belong; what is answered is noted."""
    unheard = Record()
    for secret in list(house.planted.keys.values()):
        for attempt in _wrong_requests(secret):
            _send(house.port, house.installation.record, *attempt)
        for attempt in _repeated_requests(secret):
            _send(house.port, unheard, *attempt)
        _say_on_socket(house, secret)


def _repeated_requests(secret: str) -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    """Those whose answer shows its sender again what they wrote: a search, an address to go to, a name of a member."""
    query = quote(secret)
    yield "GET", f"/sign-in?next=/{query}", {}, b""
    yield "GET", f"/tasks?search={query}", {"Accept": "text/html"}, b""
    typed = {"Content-Type": "application/json"}
    yield "POST", "/api/v1/auth/token", typed, json.dumps({secret: secret}).encode()


def _wrong_requests(secret: str) -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    typed = {"Content-Type": "application/json"}
    query = quote(secret)
    yield "GET", f"/api/v1/tasks?token={query}&{query}={query}", {}, b""
    yield "GET", "/api/v1/tasks", dict.fromkeys(SECRET_HEADERS, secret), b""
    yield "GET", "/api/v1/me", {"Authorization": f"Bearer {secret}x"}, b""
    yield "GET", "/api/v1/me", {"Authorization": f"Basic {secret}"}, b""
    signing_in = {"username": secret, "password": secret}
    yield "POST", "/api/v1/auth/token", typed, json.dumps(signing_in).encode()
    yield "POST", "/api/v1/auth/refresh", typed, json.dumps({"refresh": f"{secret}x"}).encode()
    yield "POST", "/api/v1/auth/token", typed, f'{{"username": "{secret}'.encode()
    yield "POST", "/mcp", {**typed, "Authorization": f"Bearer {secret}x"}, json.dumps({"id": secret}).encode()
    yield "POST", "/agent-tools", {**typed, "X-EL-Secret": f"{secret}x"}, json.dumps({"tool": secret}).encode()
    for door in WRONG_DOORS:
        yield "POST", f"{door}{NOBODY}?secret={query}", {**typed, "X-Webhook-Secret": secret}, b"{}"
    report = {"csp-report": {"document-uri": f"https://q.example.org/?{secret}#{secret}", "script-sample": secret}}
    yield "POST", "/csp-reports", {"Content-Type": "application/csp-report"}, json.dumps(report).encode()
    yield "POST", "/sign-in", {"Content-Type": "application/x-www-form-urlencoded"}, f"username={query}".encode()


def _send(port: int, record: Record, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        assert answer.status < HTTPStatus.INTERNAL_SERVER_ERROR, (method, path.partition("?")[0], answer.status)
        # An address that a redirect repeats is what its sender wrote there.
        told = [value for name, value in answer.getheaders() if name.lower() != "location"]
        record.note(*told, answer.read())
    finally:
        connection.close()


def _say_on_socket(house: House, secret: str) -> None:
    with connect(f"ws://127.0.0.1:{house.port}/ws/?token={quote(secret)}") as socket:
        try:
            for action in ({"action": secret}, {"action": "auth", "token": f"{secret}x"}):
                socket.send(json.dumps(action))
                house.installation.record.note(socket.recv())
        except ConnectionClosed as closed:
            house.installation.record.note(str(closed))
