"""The older tools' disable_task_operator.py as a management command."""

from argparse import Namespace
from typing import Any

from accounts.models import User
from tasks import older_tools
from tasks.management.json_command import OlderTool


class Command(OlderTool):
    help = "Give no more tasks without an agent to the default agent."
    verb = "disable_task_operator"

    def answer(self, *, actor: User, options: Namespace) -> dict[str, Any]:  # noqa: ARG002 - as its parent
        return older_tools.disable_task_operator(actor=actor)
