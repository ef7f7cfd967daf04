"""The kinds of agents there are."""

import json
from collections.abc import Mapping
from typing import Any, Final

from tasks.failures import FAILURES
from tasks.runners.base import (
    ArtifactFile,
    CheckRequest,
    Desk,
    Message,
    Outcome,
    Parked,
    Piece,
    ReportAddress,
    Request,
    RunFailed,
    Runner,
)
from tasks.runners.command import CommandRunner
from tasks.runners.echo import EchoRunner
from tasks.runners.external import ExternalRunner
from tasks.runners.models.runners import AnthropicRunner, OpenAIRunner
from tasks.runners.web import HttpRunner

_ALL: Final = (EchoRunner(), AnthropicRunner(), OpenAIRunner(), HttpRunner(), CommandRunner(), ExternalRunner())
RUNNERS: Final[dict[str, Runner]] = {runner.kind: runner for runner in _ALL}
KINDS: Final = tuple(RUNNERS)


def runner_for(kind: str) -> Runner:
    """The runner of an agent's kind; raises RunFailed `agent_misconfigured` for a kind that does not exist."""
    try:
        return RUNNERS[kind]
    except KeyError:
        raise RunFailed("agent_misconfigured", f"no runner of kind {kind!r}") from None


def checked_config(runner: Runner, config: Any) -> Mapping[str, Any]:
    """The usable form of an agent's own fields; raises RunFailed `agent_misconfigured` when they are not valid."""
    form = runner.config_class(data=config)
    if not form.is_valid():
        raise RunFailed(_failure_code(form.errors), f"config: {json.dumps(form.errors, ensure_ascii=False)}")
    return dict(form.validated_data)


def _failure_code(errors: Mapping[str, Any]) -> str:
    # What the operator has to mend, such as `command_not_allowed`, has a reason and a sentence of its own.
    codes = (getattr(error, "code", "") for messages in errors.values() for error in messages)
    return next((code for code in codes if code in FAILURES), "agent_misconfigured")


__all__ = [
    "KINDS",
    "RUNNERS",
    "ArtifactFile",
    "CheckRequest",
    "Desk",
    "Message",
    "Outcome",
    "Parked",
    "Piece",
    "ReportAddress",
    "Request",
    "RunFailed",
    "Runner",
    "checked_config",
    "runner_for",
]
