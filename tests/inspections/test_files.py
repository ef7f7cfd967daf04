"""A-198, A-205: files that hold secrets or data, each open and closed to others."""

from pathlib import Path
from typing import Any

import pytest

from personalq.lib.inspections import files
from tests.inspections.looking import grade_of, look

pytestmark = pytest.mark.security


@pytest.mark.parametrize(
    ("mode", "grade"), [(0o600, "ok"), (0o400, "ok"), (0o640, "medium"), (0o644, "critical"), (0o620, "critical")]
)
def test_a_file_of_secrets(tmp_path: Path, settings: Any, mode: int, grade: str) -> None:
    path = tmp_path / "env"
    path.write_text("SECRET_KEY=x")
    path.chmod(mode)
    settings.PERSONALQ_SECRET_FILES = [str(path)]
    assert grade_of("files.secrets") == grade


def test_a_file_of_secrets_of_somebody_else_is_found(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "env"
    path.touch(0o600)
    settings.PERSONALQ_SECRET_FILES = [str(path)]
    monkeypatch.setattr(files, "_is_foreign", lambda _: True)
    assert grade_of("files.secrets") == "critical"


def test_secrets_from_the_environment_are_in_no_file(settings: Any) -> None:
    settings.PERSONALQ_SECRET_FILES = []
    assert grade_of("files.secrets") == "info"


def test_data_that_others_reach_is_found(tmp_path: Path, settings: Any) -> None:
    root = tmp_path / "var"
    (root / "log").mkdir(parents=True)
    log = root / "log" / "web.log"
    log.touch(0o644)
    settings.PERSONALQ_DATA_DIRECTORIES = [str(root)]
    root.chmod(0o755)
    (root / "log").chmod(0o755)
    result = look("files.data")
    assert (result.grade, str(log) in result.sentence) == ("high", True)
    root.chmod(0o700)
    assert grade_of("files.data") == "ok"


def test_data_of_servers_of_ones_own_are_not_looked_at(settings: Any) -> None:
    settings.PERSONALQ_DATA_DIRECTORIES = []
    assert grade_of("files.data") == "info"


def test_a_scratch_directory_that_others_reach_is_found(tmp_path: Path, settings: Any) -> None:
    settings.PERSONALQ_SCRATCH_DIR = ""
    assert grade_of("files.scratch") == "ok"
    settings.PERSONALQ_SCRATCH_DIR = str(tmp_path)
    tmp_path.chmod(0o755)
    assert grade_of("files.scratch") == "high"
    tmp_path.chmod(0o700)
    assert grade_of("files.scratch") == "ok"


def test_code_that_everybody_may_change_is_found(tmp_path: Path, settings: Any) -> None:
    (tmp_path / "tasks").mkdir(0o755)
    module = tmp_path / "tasks" / "a.py"
    module.touch()
    module.chmod(0o644)
    settings.BASE_DIR = tmp_path
    assert grade_of("files.code") == "ok"
    module.chmod(0o666)
    assert grade_of("files.code") == "high"


def test_the_tests_own_installation_is_closed_to_others() -> None:
    assert grade_of("files.data") == "ok"
