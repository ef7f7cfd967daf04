"""A whole product with a Telegram bot, and a person who is linked to it; Telegram is the stand-in."""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.embedded.running import wait_for
from tests.product.caller import Caller
from tests.product.installation import Installation, installed
from tests.webhooks.telegram.making import ANA, SECRET_HEADER, message
from tests.wire.telegram_server import TOKEN, Said, TelegramServer


@dataclass(frozen=True)
class Chat:
    """A served product with a bot, and a person who is linked to it."""

    installation: Installation
    telegram: TelegramServer

    @property
    def operator(self) -> Caller:
        return self.installation.operator

    def posts(self, update: dict[str, Any]) -> float:
        """Telegram posts an update; returns how many seconds the answer took."""
        webhook = self.telegram.bots[TOKEN].webhook
        headers = {"Content-Type": "application/json", SECRET_HEADER: webhook["secret_token"]}
        connection = http.client.HTTPConnection("127.0.0.1", self.operator.port, timeout=30)
        try:
            begun = time.monotonic()
            connection.request("POST", urlsplit(webhook["url"]).path, json.dumps(update), headers)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b'{"ok": true}')
            return time.monotonic() - begun
        finally:
            connection.close()

    def asks_nothing(self) -> float:
        """How many seconds the machine takes for a request that does nothing."""
        connection = http.client.HTTPConnection("127.0.0.1", self.operator.port, timeout=30)
        try:
            begun = time.monotonic()
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() is not None
            return time.monotonic() - begun
        finally:
            connection.close()

    def hears(self, text: str) -> None:
        self.posts(message(text))

    def waits_for(self, text: str, *, after: int = 0) -> Said:
        """The message in the chat that holds this, among those that came after so many."""
        found: list[Said] = []

        def is_there() -> bool:
            found[:] = [said for said in self.telegram.chats[ANA][after:] if text in said.text]
            return bool(found)

        wait_for(is_there, f"{text!r} in {self.telegram.texts(ANA)}")
        return found[-1]

    def links(self, agent: str) -> None:
        """The person links the chat to the operator's account, for this agent."""
        bot = self.operator.get("/telegram/bots")["results"][0]["uuid"]
        code = self.operator.call("POST", f"/telegram/bots/{bot}/link-codes", {"agent": agent})
        self.hears(f"/start {code['code']}")
        self.waits_for(f"goes to {agent}.")


@contextmanager
def chatting(directory: Path) -> Iterator[Chat]:
    """A product that runs in this directory, with a bot whose webhook is set."""
    with TelegramServer() as telegram:
        settings = {
            "PERSONALQ_TELEGRAM_URL": telegram.url,
            "PERSONALQ_INTERNAL_HOSTS": telegram.target,
            "PERSONALQ_PUBLIC_URL": "https://localhost",
            "PERSONALQ_RATE_DOOR": "100000/m",
            "PERSONALQ_RATE_DOOR_CHANGE": "100000/m",
            "PERSONALQ_RATE_TELEGRAM_CODE": "100000/m",
            "LOG_LEVEL": "DEBUG",
        }
        with installed(directory, settings) as installation:
            installation.start()
            bot = installation.operator.call("POST", "/telegram/bots", {"name": "bot", "token": TOKEN})
            installation.operator.call("PUT", f"/telegram/bots/{bot['uuid']}/webhook", {})
            yield Chat(installation, telegram)
