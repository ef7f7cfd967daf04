"""Brings in the tasks of the older tools' shared SQLite file (docs/moving-over.md)."""

import json
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper

from personalq.lib.errors import AppError
from tasks.importing import Report, import_file

_WIDTH: Final = 40
_INTERRUPTED: Final = 130


class Command(BaseCommand):
    """All that can be taken over comes in, in one transaction; running it again brings in only what is new."""

    help = (
        "Import tasks and settings from the older tools' shared SQLite file, which is only read. Prints a summary as "
        "JSON. Running it again is safe: what is here already stays as it is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--sqlite", metavar="FILE", type=Path, required=True, help="The shared SQLite file.")
        parser.add_argument("--dry-run", action="store_true", help="Do everything, tell what came of it, take it back.")
        parser.add_argument(
            "--report", metavar="FILE", type=Path, help="Write what became of every row to this file, as JSON."
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        with ReportFile(options["report"]) as written:
            report = self._import(options["sqlite"], is_dry_run=options["dry_run"])
            self.stdout.write(json.dumps(report.as_json(is_whole=False), indent=2))
            written.write(report)

    def _import(self, path: Path, *, is_dry_run: bool) -> Report:
        bar = ProgressBar(self.stderr)
        try:
            return import_file(path, is_dry_run=is_dry_run, progress=bar.show)
        except AppError as error:
            raise CommandError(f"{error.title} {error.detail}") from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. Nothing was imported.", returncode=_INTERRUPTED) from None
        finally:
            bar.clear()


class ReportFile:
    """The file for the whole report, if one is wanted. It takes its name when it is whole."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._fresh: Path | None = None

    def __enter__(self) -> Self:
        """Begin it before the import, so that a name that cannot be had costs nothing. Raises CommandError."""
        if self._path is None:
            return self
        if self._path.is_dir():
            raise CommandError(f"{self._path} is a directory. Name a file for the report.")
        try:
            descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=".import-")
        except OSError as error:
            raise CommandError(f"{self._path} cannot be written ({error.strerror}). Name another file.") from error
        os.close(descriptor)
        self._fresh = Path(name)
        return self

    def write(self, report: Report) -> None:
        if self._path is None or self._fresh is None:
            return
        try:
            self._fresh.write_text(json.dumps(report.as_json(is_whole=True), indent=1))
            self._fresh.replace(self._path)
        except OSError as error:
            raise CommandError(
                f"The import is done, but its report could not be written: {error.strerror}. Run it again for another."
            ) from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._fresh is not None:
            self._fresh.unlink(missing_ok=True)


class ProgressBar:
    """One line on a terminal that is written over and over, and nothing elsewhere."""

    def __init__(self, out: OutputWrapper) -> None:
        self._out = out
        self._is_shown = out.isatty()

    def show(self, done: int, total: int) -> None:
        if self._is_shown:
            filled = _WIDTH * done // max(total, 1)
            self._write(f"[{'#' * filled}{' ' * (_WIDTH - filled)}] {done:,} of {total:,}")

    def clear(self) -> None:
        if self._is_shown:
            self._write("")

    def _write(self, text: str) -> None:
        # To the beginning of the line, and away with what stood there.
        self._out.write(f"\r\x1b[K{text}", ending="")
        self._out.flush()
