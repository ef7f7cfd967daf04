"""Looks at an installation and says what is not as safe as it could be."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from personalq.lib import inspection, report
from personalq.lib.inspection import Scene
from personalq.lib.version import VERSION

FAILING: Final = ("low", "medium", "high", "critical")
ADVISORY_SERVICE: Final = "https://api.osv.dev"


class Command(BaseCommand):
    """Runs the registered inspections and prints their findings, the worst first."""

    help = (
        "Inspect settings, keys, people, database, Redis, files and what the live installation really answers. Ends "
        "with 1 when a finding is as bad as --fail-at or worse. docs/security-audit.md lists all findings."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=("text", "json"), default="text")
        parser.add_argument("--fail-at", choices=FAILING, default="high", help="The grade from which on it fails.")
        parser.add_argument("--url", default=default_url(), help="Address of the live installation.")
        parser.add_argument(
            "--only", action="append", default=[], metavar="GROUP", help="Only findings of this group; repeatable."
        )
        parser.add_argument("--advisories", type=Path, metavar="FILE", help="A report of pip-audit in JSON.")
        parser.add_argument(
            "--advisory-service",
            default=ADVISORY_SERVICE,
            metavar="URL",
            help="Who is asked without --advisories: names and versions of packages go there. Empty: nobody.",
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        refuse_unknown_groups(options["only"])
        scene = Scene(
            url=options["url"].rstrip("/"),
            advisories=options["advisories"],
            advisory_service=options["advisory_service"].rstrip("/"),
        )
        findings = report.sort(inspection.run(scene, only=options["only"]))
        head = report.Head(url=scene.url, version=VERSION, at=timezone.now(), fail_at=options["fail_at"])
        if options["format"] == "json":
            self.stdout.write(json.dumps(report.as_json(head, findings), indent=2))
        else:
            self.stdout.write(report.as_text(head, findings))
        if any(finding.is_at_least(options["fail_at"]) for finding in findings):
            sys.exit(1)


def default_url() -> str:
    """Where this installation is reached, as far as it knows itself."""
    return settings.PERSONALQ_PUBLIC_URL or f"http://127.0.0.1:{settings.PERSONALQ_PORT}"


def refuse_unknown_groups(wanted: list[str]) -> None:
    """Raises CommandError: a word with a mistake in it would inspect nothing and call that good."""
    if unknown := set(wanted) - set(inspection.groups()):
        raise CommandError(f"No group {', '.join(sorted(unknown))}. There are: {', '.join(inspection.groups())}.")
