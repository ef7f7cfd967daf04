"""The older tools' get_queue_info.py as a management command."""

from argparse import Namespace
from typing import Any

from accounts.models import User
from tasks import older_tools
from tasks.management.json_command import OlderTool


class Command(OlderTool):
    help = "Show one queue and how much is in it."
    verb = "get_queue_info"

    def answer(self, *, actor: User, options: Namespace) -> dict[str, Any]:
        return older_tools.queue_info(actor=actor, name=options.queue_name)
