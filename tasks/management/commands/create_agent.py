"""The older tools' create_agent.py as a management command."""

from argparse import Namespace
from typing import Any

from accounts.models import User
from tasks import older_tools
from tasks.cli.personalq_cli import wanted_agent
from tasks.management.json_command import OlderTool


class Command(OlderTool):
    help = "Make an agent that sends HTTP requests, once or by the clock."
    verb = "create_agent"

    def answer(self, *, actor: User, options: Namespace) -> dict[str, Any]:
        return older_tools.create_agent(actor=actor, wanted=wanted_agent(options))
