"""The older tools' get_agent_status.py as a management command."""

from argparse import Namespace
from typing import Any

from accounts.models import User
from tasks import older_tools
from tasks.management.json_command import OlderTool


class Command(OlderTool):
    help = "Show one agent."
    verb = "get_agent_status"

    def answer(self, *, actor: User, options: Namespace) -> dict[str, Any]:
        return older_tools.agent_status(actor=actor, name=options.name)
