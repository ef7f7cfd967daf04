"""A client of the event sockets, as its author would write one, and what it signs in with."""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from typing import Any, Self

from django.utils import timezone
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from accounts.models import TokenFamily, User
from accounts.tokens import issue_pair
from accounts.tokens.signed_tokens import AccessToken

PATIENCE_SECONDS = 20.0

Frame = dict[str, Any]


def token_of(user: User) -> str:
    return issue_pair(user).access


def token_for_seconds(user: User, seconds: float) -> str:
    """An access token that expires `seconds` from now, rounded down to whole seconds."""
    family = TokenFamily.objects.create(user=user, expires_at=timezone.now() + timedelta(hours=1))
    token = AccessToken.of(family)
    token.set_exp(lifetime=timedelta(seconds=seconds))
    return str(token)


class Client:
    """One socket. Whatever is asked for must come in time."""

    def __init__(self, url: str, user: User | None = None, **options: Any) -> None:
        # Without a bound on what waits to be heard, closing never waits for it.
        options = {"compression": None, "ping_interval": None, "max_queue": None} | options
        self._put_aside: deque[Frame] = deque()
        self._opened = ExitStack()
        self.connection: ClientConnection = self._opened.enter_context(connect(url, **options))
        if user is not None:
            self.sign_in(token_of(user))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def say(self, action: str, **members: Any) -> None:
        self.send(json.dumps({"action": action, **members}))

    def send(self, frame: str | bytes | list[str]) -> None:
        # The server may close the socket in the middle of it; how it did is heard afterwards.
        with suppress(ConnectionClosed):
            self.connection.send(frame)

    def hear(self, timeout: float = PATIENCE_SECONDS) -> Frame:
        """The next frame."""
        if self._put_aside:
            return self._put_aside.popleft()
        frame = self.connection.recv(timeout=timeout)
        assert isinstance(frame, str)
        heard: Frame = json.loads(frame)
        return heard

    def ask(self, action: str, **members: Any) -> Frame:
        """The answer to a message. Events of tasks that come before it are heard afterwards."""
        self.say(action, **members)
        events = []
        while "id" in (frame := self.hear()):
            events.append(frame)
        self._put_aside.extend(events)
        return frame

    def sign_in(self, token: str) -> Frame:
        answer = self.ask("auth", token=token)
        assert answer["event"] == "authenticated", answer
        return answer

    def subscribe(self, to: object = "all", **members: Any) -> int:
        """Subscribe and return the position from which on events are told."""
        answer = self.ask("subscribe", to=str(to), **members)
        assert answer["event"] == "subscribed", answer
        position: int = answer["last_event_id"]
        return position

    def hear_ids(self, up_to: int) -> list[int]:
        """The ids of the next frames, up to one. All must be events of tasks."""
        ids = [self.hear()["id"]]
        while ids[-1] != up_to:
            ids.append(self.hear()["id"])
        return ids

    def hear_until(self, event: str) -> list[Frame]:
        """Everything up to and including the first frame of a kind."""
        frames = [self.hear()]
        while frames[-1]["event"] != event:
            frames.append(self.hear())
        return frames

    def rest(self, timeout: float = PATIENCE_SECONDS) -> Iterator[Frame]:
        """All frames until the server closes the socket."""
        try:
            while True:
                yield self.hear(timeout)
        except ConnectionClosed:
            return

    def end(self, timeout: float = PATIENCE_SECONDS) -> tuple[int, str]:
        """The close code, and the code of the error that was told before it or ""."""
        last = {"error_code": ""}
        for frame in self.rest(timeout):
            last = frame
        return self.close_code, last.get("error_code", "")

    @property
    def close_code(self) -> int:
        code = self.connection.close_code
        assert code is not None
        return code
