"""The older tools' clear_task_operator_lock.py as a management command."""

from argparse import Namespace
from typing import Any

from accounts.models import User
from tasks import older_tools
from tasks.management.json_command import OlderTool


class Command(OlderTool):
    help = "Free the task operator from the task that holds it."
    verb = "clear_task_operator_lock"

    def answer(self, *, actor: User, options: Namespace) -> dict[str, Any]:  # noqa: ARG002 - as its parent
        return older_tools.clear_lock(actor=actor)
