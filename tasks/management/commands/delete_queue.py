"""The older tools' delete_queue.py as a management command."""

from argparse import Namespace
from typing import Any

from accounts.models import User
from tasks import older_tools
from tasks.management.json_command import OlderTool


class Command(OlderTool):
    help = "Delete a queue that nothing uses."
    verb = "delete_queue"

    def answer(self, *, actor: User, options: Namespace) -> dict[str, Any]:
        return older_tools.delete_queue(actor=actor, name=options.queue_name)
