"""The older tools' list_agents.py as a management command."""

from argparse import Namespace
from typing import Any

from accounts.models import User
from tasks import older_tools
from tasks.management.json_command import OlderTool


class Command(OlderTool):
    help = "Show all agents that the older tools made."
    verb = "list_agents"

    def answer(self, *, actor: User, options: Namespace) -> dict[str, Any]:  # noqa: ARG002 - as its parent
        return older_tools.list_agents(actor=actor)
