"""Real runners of models against local servers that speak their providers' protocols."""

import types
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from pytest_django.fixtures import Settings

from tasks.runners.base import CheckRequest, Outcome, Piece, Request, RunFailed
from tasks.runners.models.runners import AnthropicRunner, ModelRunner, OpenAIRunner
from tasks.spending.usage import Usage
from tests.wire import anthropic_server, openai_server
from tests.wire.server import Handler, WireServer

TASK = UUID("6e0011d3-b40d-46d6-a5cd-7d7c0566e10e")
KEY = "sk-planted-4f9c2b7e1a8d6c5b"


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """A kind of agent with the protocol that its server speaks."""

    runner: ModelRunner
    wire: types.ModuleType
    path: str
    """Where the API begins, below the server's address."""
    rate_limit: str
    overload: str

    @property
    def kind(self) -> str:
        return self.runner.kind


ANTHROPIC = Dialect(
    runner=AnthropicRunner(),
    wire=anthropic_server,
    path="",
    rate_limit="rate_limit_error",
    overload="overloaded_error",
)
OPENAI = Dialect(
    runner=OpenAIRunner(), wire=openai_server, path="/v1", rate_limit="rate_limit_exceeded", overload="server_error"
)
DIALECTS = (ANTHROPIC, OPENAI)


@dataclass(kw_only=True)
class Heard:
    """What came out of one attempt."""

    texts: list[str] = field(default_factory=list)
    progress: list[Usage] = field(default_factory=list)
    outcome: Outcome | None = None
    failure: RunFailed | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def code(self) -> str:
        return self.failure.code if self.failure else "ok"

    @property
    def facts(self) -> dict[str, Any]:
        source = self.failure or self.outcome
        assert source is not None
        return dict(source.facts)

    @property
    def usage(self) -> Usage:
        source = self.failure or self.outcome
        assert source is not None
        assert source.usage is not None
        return source.usage


@contextmanager
def serving(dialect: Dialect, handler: Handler, settings: Settings) -> Iterator[WireServer]:
    """A server that the operator allows."""
    with WireServer(handler) as server:
        allow(settings, server, dialect)
        yield server


def allow(settings: Settings, server: WireServer, dialect: Dialect) -> None:
    settings.PERSONALQ_INTERNAL_HOSTS = [server.target]
    settings.PERSONALQ_MODEL_BASE_URLS = [server.url + dialect.path]


def request_to(dialect: Dialect, server: WireServer, *, config: dict[str, Any] | None = None, **fields: Any) -> Request:
    own = {"model": dialect.wire.MODEL, "base_url": server.url + dialect.path, **(config or {})}
    fields.setdefault("prompt", "Say hello.")
    fields.setdefault("secret", KEY)
    fields.setdefault("timeout_seconds", 20)
    return Request(task=TASK, attempt=1, config=own, **fields)


def check_of(dialect: Dialect, server: WireServer, *, secret: str | None = KEY) -> CheckRequest:
    return CheckRequest(config={"model": dialect.wire.MODEL, "base_url": server.url + dialect.path}, secret=secret)


def running(dialect: Dialect, request: Request) -> AsyncGenerator[Piece, None]:
    return cast("AsyncGenerator[Piece, None]", dialect.runner.run(request))


async def ask(dialect: Dialect, server: WireServer, **fields: Any) -> Heard:
    """One attempt to its end."""
    heard = Heard()
    try:
        async for piece in running(dialect, request_to(dialect, server, **fields)):
            _note(heard, piece)
    except RunFailed as failure:
        heard.failure = failure
    return heard


def _note(heard: Heard, piece: Piece) -> None:
    assert heard.outcome is None, "nothing may follow the outcome"
    if isinstance(piece, str):
        heard.texts.append(piece)
    elif isinstance(piece, Usage):
        heard.progress.append(piece)
    else:
        assert isinstance(piece, Outcome)
        heard.outcome = piece
