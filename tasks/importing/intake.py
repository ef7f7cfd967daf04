"""Importing one file: all of it that can be taken over, in one transaction."""

import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.db import OperationalError, transaction

from personalq.lib.errors import Conflict
from tasks import lifecycle, locks, trail
from tasks.importing.older_file import OlderFile, opened
from tasks.importing.report import RefusedRow, Report
from tasks.importing.values import IN_PROGRESS, OlderRow, Refused, is_text, read_task
from tasks.lifecycle import OlderTask
from tasks.models import SystemSetting
from tasks.models.system_setting import STOP_SWITCH, TASK_OPERATOR, TASK_OPERATOR_KNOWN, means_on

Progress = Callable[[int, int], None]
"""Told how many rows of how many were read."""

OWN_SETTINGS: Final = frozenset({STOP_SWITCH, TASK_OPERATOR, TASK_OPERATOR_KNOWN})
"""Settings that mean something here."""

_TOLD_EACH: Final = 1000
_SETTING_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
_SETTING_LENGTH: Final = 10_000


class ImportUnderWay(Conflict):
    """Somebody imports at this moment, or keeps the table of tasks for long."""

    title = "The import could not begin."
    advice = "Another import or a long change of the tasks is under way. Try again in a moment."


def import_file(path: Path, *, is_dry_run: bool, progress: Progress) -> Report:
    """Bring in what is not here yet, and tell what became of each row. A dry run does the same and takes it back.

    Raises UnusableFile or ImportUnderWay; then, and when it is interrupted, nothing has come in.
    """
    with opened(path) as file:
        _set_ids_aside(file)
        with transaction.atomic():
            if not locks.try_import():
                raise ImportUnderWay
            report = _Import(file, is_dry_run=is_dry_run, progress=progress).run()
            file.expect_unchanged()
            trail.note_command(
                "tasks.imported", imported=report.imported, present=report.present, refused=len(report.refused)
            )
            transaction.set_rollback(is_dry_run)
    return report


def _set_ids_aside(file: OlderFile) -> None:
    try:
        lifecycle.set_ids_aside(file.highest_id(lifecycle.KEPT_ID_LIMIT))
    except OperationalError as error:
        raise ImportUnderWay from error


class _Import:
    def __init__(self, file: OlderFile, *, is_dry_run: bool, progress: Progress) -> None:
        self._file = file
        self._progress = progress
        self._report = Report(is_dry_run=is_dry_run)
        self._numbers: dict[int, int] = {}
        """The number over there of each row that is to come in."""
        self._seen: set[UUID] = set()
        self._in_progress: set[int] = set()

    def run(self) -> Report:
        intake = lifecycle.bring_in(self._tasks())
        self._note(intake)
        self._bring_settings()
        return self._report

    def _tasks(self) -> Iterator[OlderTask]:
        """What can come in, while the report notes what cannot."""
        total, now = self._file.count(), datetime.now(UTC)
        for row in self._file.rows():
            self._report.read = row.place
            try:
                task = read_task(row, now=now)
                self._expect_new(task)
            except Refused as refused:
                self._refuse(row.place, row.id, refused)
            else:
                self._remember(row, task)
                yield task
            if row.place % _TOLD_EACH == 0:
                self._progress(row.place, total)
        self._progress(total, total)

    def _expect_new(self, task: OlderTask) -> None:
        if task.uuid in self._seen:
            raise Refused("uuid", "repeated")
        self._seen.add(task.uuid)

    def _remember(self, row: OlderRow, task: OlderTask) -> None:
        if isinstance(row.id, int):
            self._numbers[task.place] = row.id
        if row.status == IN_PROGRESS:
            self._in_progress.add(task.place)

    def _refuse(self, place: int, number: Any, refused: Refused) -> None:
        known = number if isinstance(number, int) else None
        self._report.refused.append(RefusedRow(place=place, id=known, field=refused.field, reason=refused.reason))

    def _note(self, intake: lifecycle.Intake) -> None:
        report = self._report
        report.imported, report.present = intake.imported, len(intake.present)
        for place in intake.taken:
            self._refuse(place, self._numbers[place], Refused("uuid", "taken"))
        report.refused.sort(key=lambda row: row.place)
        report.renumbered = [
            {"row": place, "from": self._numbers[place], "to": number} for place, number in intake.renumbered.items()
        ]
        new = self._in_progress - {*intake.present, *intake.taken}
        report.was_in_progress = [self._numbers[place] for place in sorted(new)]

    def _bring_settings(self) -> None:
        """Keep those of which we have none. What has a meaning here is never switched by a file."""
        report, found = self._report, self._file.settings()
        ours = set(SystemSetting.objects.values_list("name", flat=True))
        for name, value in found:
            if not _is_setting(name, value):
                report.settings_refused.append(_shown(name))
            elif name in OWN_SETTINGS:
                report.settings_refused.append(name)
                report.was_task_operator_on |= name == TASK_OPERATOR and means_on(value)
            elif name in ours:
                report.settings_present.append(name)
            else:
                ours.add(name)
                SystemSetting.objects.create(name=name, value=value)
                report.settings_kept.append(name)


def _is_setting(name: Any, value: Any) -> bool:
    if not isinstance(name, str) or not _SETTING_NAME.fullmatch(name):
        return False
    if isinstance(value, str):
        return len(value) <= _SETTING_LENGTH and is_text(value)
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _shown(name: Any) -> str:
    """A name as a report may hold it."""
    return ascii(name)[:80]
