"""The older tools' enable_task_operator.py as a management command."""

from argparse import Namespace
from typing import Any

from accounts.models import User
from tasks import older_tools
from tasks.management.json_command import OlderTool


class Command(OlderTool):
    help = "Give tasks without an agent to the default agent, one at a time."
    verb = "enable_task_operator"

    def answer(self, *, actor: User, options: Namespace) -> dict[str, Any]:
        return older_tools.enable_task_operator(actor=actor, queue=options.queue)
