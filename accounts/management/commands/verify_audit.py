"""Says whether the audit trail is what was written."""

import json
import re
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit.verifying import Verdict, verify

_WITNESS = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


class Command(BaseCommand):
    """Prints what was found and the newest row as a witness; ends with status 1 when anything is wrong."""

    help = (
        "Read the whole audit trail and compare every hash; fails when a row was changed, removed, inserted or moved, "
        "or when the database does not guard it any more."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--witness",
            metavar="NUMBER:SEAL",
            help="What an earlier run or the log told; finds an end that was cut off.",
        )
        parser.add_argument("--format", choices=("text", "json"), default="text")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        verdict = verify(witness=_read_witness(options["witness"]))
        self.stdout.write(_as_json(verdict) if options["format"] == "json" else _as_text(verdict))
        if not verdict.is_sound:
            raise CommandError(
                f"The audit trail is not sound: {verdict.fault_count} faults. docs/audit.md says what to do."
            )


def _read_witness(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    match = _WITNESS.fullmatch(text.strip())
    if match is None:
        raise CommandError("--witness takes a number and a seal of 64 hexadecimal digits, as in 4711:0a1b…")
    return int(match[1]), match[2]


def _as_json(verdict: Verdict) -> str:
    told = {**asdict(verdict), "is_sound": verdict.is_sound, "witness": verdict.witness}
    return json.dumps(told, indent=2, sort_keys=True)


def _as_text(verdict: Verdict) -> str:
    lines = [f"{verdict.rows} rows, numbers {verdict.first} to {verdict.last}, {verdict.waiting} not chained yet."]
    lines += [f"{fault.code}: {fault.sentence}" for fault in verdict.faults]
    if verdict.fault_count > len(verdict.faults):
        lines.append(f"… and {verdict.fault_count - len(verdict.faults)} more.")
    if verdict.is_sound:
        lines.append("Sound: nothing was changed, removed, inserted or moved, and the database guards it.")
    return "\n".join([*lines, f"Witness: {verdict.witness}"])
