"""The older tools' delete_agent.py as a management command."""

from argparse import Namespace
from typing import Any

from accounts.models import User
from tasks import older_tools
from tasks.management.json_command import OlderTool


class Command(OlderTool):
    help = "Delete an agent and its schedule."
    verb = "delete_agent"

    def answer(self, *, actor: User, options: Namespace) -> dict[str, Any]:
        return older_tools.delete_agent(actor=actor, name=options.name)
