"""The agent whose tasks are carried out by whoever takes them: over MCP, REST or the command-line client."""

from collections.abc import AsyncIterator
from typing import ClassVar

from personalq.lib.fields import StrictSerializer
from tasks.models.agent import EXTERNAL
from tasks.runners.base import CheckRequest, Piece, Request, RunFailed, Runner


class ExternalConfig(StrictSerializer):
    """Such an agent has no fields of its own."""


class ExternalRunner(Runner):
    """Stands for workers outside; claims of our own workers pass its agents over (`tasks.selection`)."""

    kind: ClassVar = EXTERNAL
    label: ClassVar = "Outside worker (MCP, REST, CLI)"
    config_class: ClassVar = ExternalConfig

    def run(self, request: Request) -> AsyncIterator[Piece]:  # noqa: ARG002 - a runner's signature
        raise RunFailed("agent_misconfigured", "a worker here claimed a task of an outside worker")

    async def check(self, request: CheckRequest) -> str:  # noqa: ARG002 - there is nothing that could be wrong
        return "Its tasks wait until an outside worker takes them; nothing is called from here."
