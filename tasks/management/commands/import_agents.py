"""Takes the agents of the older service over."""

import sys
from argparse import BooleanOptionalAction, Namespace
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from accounts.models import User
from tasks import timing, trail
from tasks.management.json_command import FAILED, JsonCommand
from tasks.older_tools import importing, sources
from tasks.older_tools.importing import Manner, Outcome

OUTCOMES = ("imported", "unchanged", "left_out", "refused")


class Command(JsonCommand):
    """Prints a report as JSON; exit code 1 when an agent was refused, while the others are there."""

    help = (
        "Make the agents and schedules of a cursor-agents service. It can be run again: what is there already stays as "
        "it is. Nothing is sent by it, and agents that ran once do not run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--from-file", type=Path, metavar="FILE", help="what GET /agents of the service answered")
        source.add_argument("--from-url", metavar="URL", help="the service itself: http://cursor-agents:3002/agents")
        parser.add_argument(
            "--paused",
            action=BooleanOptionalAction,
            default=True,
            help="whether schedules wait until they are resumed, so that not both services fire (they do)",
        )
        parser.add_argument("--zone", default="UTC", help="the time zone of the older service's cron expressions (UTC)")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
        super().add_arguments(parser)

    def answer(self, *, actor: User, options: Namespace) -> dict[str, Any]:
        timing.zone_named(options.zone)
        source = sources.read_url(options.from_url) if options.from_url else sources.read_file(options.from_file)
        manner = Manner(is_paused=options.paused, zone=options.zone)
        outcomes = _import(actor, source.agents, manner, is_dry_run=options.dry_run)
        counts = Counter(each.outcome for each in outcomes)
        return {
            "dry_run": options.dry_run,
            "owner": actor.get_username(),
            "counts": {outcome: counts[outcome] for outcome in OUTCOMES},
            "agents": [each.as_json() for each in outcomes],
            "notes": source.notes,
        }

    def end(self, answer: dict[str, Any]) -> None:
        if answer["counts"]["refused"]:
            sys.exit(FAILED)


def _import(actor: User, found: list[Any], manner: Manner, *, is_dry_run: bool) -> list[Outcome]:
    if not is_dry_run:
        outcomes = importing.import_agents(actor=actor, found=found, manner=manner)
        trail.note_command("agents.imported", actor, **Counter(each.outcome for each in outcomes))
        return outcomes
    with transaction.atomic():
        outcomes = importing.import_agents(actor=actor, found=found, manner=manner)
        transaction.set_rollback(True)
    return outcomes
