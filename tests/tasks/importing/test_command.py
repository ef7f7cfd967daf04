"""`manage.py import_tasks` as people run it."""

import json
import os
import pty
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from personalq.embedded.layout import REPOSITORY
from tasks.models import Task
from tests.tasks.importing.older import write_file

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shared.sqlite3"


def run(*arguments: str) -> dict[str, Any]:
    """The summary on standard output; nothing is told elsewhere."""
    out, err = StringIO(), StringIO()
    call_command("import_tasks", *arguments, stdout=out, stderr=err, no_color=True)
    assert err.getvalue() == ""
    summary: dict[str, Any] = json.loads(out.getvalue())
    return summary


def start(*arguments: str, **pipes: Any) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.realtime.sockets.served_settings",
        "TEST_DATABASE_NAME": str(connection.settings_dict["NAME"]),
    }
    command = [sys.executable, "manage.py", "import_tasks", *arguments]
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, text=True, **pipes)


def test_summary_has_counts_and_the_beginning_of_each_list(file: Path) -> None:
    write_file(file, *[{"status": 9}] * 30, *[{"status": 4}] * 25, {}, settings={"task_operator": 1})
    summary = run("--sqlite", str(file))
    assert (summary["read"], summary["imported"], summary["refused"], summary["was_in_progress"]) == (56, 26, 30, 25)
    assert (len(summary["refused_rows"]), len(summary["was_in_progress_ids"])) == (20, 20)
    assert summary["refused_rows"][0] == {
        "row": 1,
        "id": 1,
        "field": "status",
        "reason": "unknown_status",
        "sentence": "No such status: 0 ready, 1 complete, 2 archived, 3 backlogged and 4 in progress are known.",
    }
    assert "manage.py enable_task_operator" in summary["advice"]


def test_report_has_all_of_them(file: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("an older one")
    write_file(file, *[{"status": 9}] * 30)
    run("--sqlite", str(file), "--report", str(report), "--dry-run")
    told = json.loads(report.read_text())
    assert (told["dry_run"], len(told["refused_rows"])) == (True, 30)
    assert report.stat().st_mode & 0o077 == 0
    assert {each.name for each in tmp_path.iterdir()} == {"report.json", "shared.sqlite3"}


@pytest.mark.parametrize("name", [".", "none/report.json"])
def test_report_that_cannot_be_written_stops_the_import_before_it_begins(file: Path, tmp_path: Path, name: str) -> None:
    write_file(file, {})
    with pytest.raises(CommandError, match=r"Name \w+ file"):
        run("--sqlite", str(file), "--report", str(tmp_path / name))
    assert Task.objects.count() == 0


def test_unusable_file_ends_with_status_1_and_says_why(tmp_path: Path) -> None:
    process = start("--sqlite", str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert "The file cannot be imported." in err
    assert "is not a file" in err
    assert "Traceback" not in err
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".import-")]


def test_terminal_sees_progress_and_a_pipe_does_not(file: Path) -> None:
    write_file(file, *[{}] * 2500)
    ours, theirs = pty.openpty()
    process = start("--sqlite", str(file), "--dry-run", stdout=subprocess.PIPE, stderr=theirs)
    out, _ = process.communicate(timeout=60)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "1,000 of 2,500" in shown
    assert f"[{'#' * 40}] 2,500 of 2,500" in shown
    assert json.loads(out)["imported"] == 2500
    assert json.loads(out) == run("--sqlite", str(file), "--dry-run")


def test_control_c_leaves_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file(file, *[{}] * 2500)

    def interrupt(_bar: object, _done: int, _total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tasks.management.commands.import_tasks.ProgressBar.show", interrupt)
    with pytest.raises(CommandError, match="Nothing was imported") as caught:
        run("--sqlite", str(file))
    assert caught.value.returncode == 130
    assert Task.objects.count() == 0
