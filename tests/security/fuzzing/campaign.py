"""Sends what the OpenAPI document allows and what it forbids, as one actor, and notes what was wrong."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final
from uuid import UUID

import schemathesis
from schemathesis.core.transport import Response
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.generation.case import Case
from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER, HookContext

# What an answer has to be like. Whether a request should have been refused is asked by other tests, which know the
# rules that no schema can tell.
CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
# Of this many well-formed ids one stays as it came: the id of nothing.
STRANGE_IDS: Final = 4
# Where an id that was seen in an answer is never used again: whoever ends their own sign-in asks nothing any more.
ONLY_GIVEN_IDS: Final = "/sessions/"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who asks, with which header, and what such a one must never be shown."""

    name: str
    headers: Mapping[str, str]
    forbidden: tuple[bytes, ...] = ()
    is_let_in: bool = True
    """Whoever is not gets one same answer before anything is read: not every edge of every schema need be tried."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is tried, and the number from which all of it follows."""

    seed: int
    examples: int
    is_quick: bool = False
    """Whether the edges of all schemas are left out: for a look while something is being built."""


@dataclass
class Found:
    """What a campaign of one actor came to."""

    requests: int = 0
    by_status: Counter[int] = field(default_factory=Counter)
    operations: set[str] = field(default_factory=set)
    problems: set[str] = field(default_factory=set)

    def count(self, status_class: int) -> int:
        """How many answers were of a class: 2 for 200 to 299."""
        return sum(count for status, count in self.by_status.items() if status // 100 == status_class)

    def __str__(self) -> str:
        classes = ", ".join(f"{number}xx {self.count(number)}" for number in range(2, 6))
        refused = ", ".join(f"{status} {count}" for status, count in sorted(self.by_status.items()) if status > 399)
        return (
            f"{self.requests} requests to {len(self.operations)} operations: {classes} ({refused});"
            f" {len(self.problems)} problems"
        )


def run(
    *, actor: Actor, base_url: str, document: dict[str, Any], ids: Mapping[str, Iterable[str]], effort: Effort
) -> Found:
    """Ask everything as this actor.

    Args:
        actor: who asks.
        base_url: where the server is, without a path.
        document: the OpenAPI document.
        ids: real ids for each path of the document, in place of most of those that were made up.
        effort: how much is tried.
    """
    found, taken = Found(), {path: cycle(known) for path, known in ids.items()}
    schema = schemathesis.openapi.from_dict(document, config=_config(actor=actor, base_url=base_url, effort=effort))

    def before_call(_context: HookContext, case: Case[Any], _arguments: dict[str, Any]) -> None:
        for name, value in (case.path_parameters or {}).items():
            path = case.operation.path
            if _is_id(value) and path in taken and (ONLY_GIVEN_IDS in path or found.requests % STRANGE_IDS):
                case.path_parameters[name] = next(taken[path])

    def after_call(_context: HookContext, case: Case[Any], response: Response) -> None:
        found.requests += 1
        found.by_status[response.status_code] += 1
        found.operations.add(case.operation.label)
        found.problems.update(_shown(actor, case, response))

    with _hooked(before_call, after_call):
        for event in from_schema(schema).execute():
            found.problems.update(_problems_of(event))
    return found


@contextmanager
def _hooked(*hooks: Callable[..., None]) -> Iterator[None]:
    """Within the block these are called around each request, by their names."""
    for hook in hooks:
        schemathesis.hook(hook)
    try:
        yield
    finally:
        for hook in hooks:
            GLOBAL_HOOK_DISPATCHER.unregister(hook)


def _config(*, actor: Actor, base_url: str, effort: Effort) -> schemathesis.Config:
    checks = {"enabled": False, **{name: {"enabled": True} for name in CHECKS}}
    config = {
        "seed": effort.seed,
        "base-url": base_url,
        "headers": dict(actor.headers),
        "continue-on-failure": True,
        "request-timeout": 20,
        "checks": checks,
        "generation": {
            "deterministic": True,
            "database": "none",
            "no-shrink": True,
            "max-examples": effort.examples,
            "with-security-parameters": False,
        },
        "phases": {"stateful": {"enabled": False}, "coverage": {"enabled": actor.is_let_in and not effort.is_quick}},
    }
    return schemathesis.Config.from_dict(config)


def _is_id(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


def _shown(actor: Actor, case: Case[Any], response: Response) -> Iterator[str]:
    for text in actor.forbidden:
        if text in response.content:
            yield f"{case.operation.label} shows {actor.name} what is the owner's"


def _problems_of(event: object) -> Iterator[str]:
    if isinstance(event, events.NonFatalError | events.FatalError):
        yield f"{getattr(event, 'label', 'all')}: {getattr(event, 'info', event)}"
    recorder = getattr(event, "recorder", None)
    if isinstance(recorder, ScenarioRecorder):
        yield from _failures_of(recorder)


def _failures_of(recorder: ScenarioRecorder) -> Iterator[str]:
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info.failure
                line = re.sub(r"\s+", " ", f"{failure.title}: {failure.message}")[:600]
                yield f"{recorder.cases[case_id].value.operation.label}: {line}"
