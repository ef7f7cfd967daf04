"""A-211: how far agents reach, each wide and narrow."""

from pathlib import Path
from typing import Any

import pytest

from personalq.lib.commands import Command
from tests.inspections.looking import grade_of

pytestmark = pytest.mark.security


def command(path: str = "/usr/bin/wc", **more: Any) -> dict[str, Command]:
    return {"count": Command(argv=(path,), **more)}


@pytest.mark.parametrize(
    ("commands", "grade"),
    [
        ({}, "ok"),
        (command(files="workspace", network="none"), "ok"),
        (command(files="workspace"), "info"),
        (command(), "medium"),
    ],
)
def test_programs_without_confinement_are_found(commands: dict[str, Command], grade: str, settings: Any) -> None:
    settings.PERSONALQ_COMMANDS = commands
    assert grade_of("allowed.commands") == grade


def test_a_program_that_others_may_change_is_found(tmp_path: Path, settings: Any) -> None:
    program = tmp_path / "program"
    program.touch(0o755)
    tmp_path.chmod(0o755)
    program.chmod(0o755)
    settings.PERSONALQ_COMMANDS = command(str(program))
    assert grade_of("allowed.programs") == "ok"
    program.chmod(0o775)
    assert grade_of("allowed.programs") == "high"
    program.chmod(0o755)
    tmp_path.chmod(0o777)
    assert grade_of("allowed.programs") == "high"


def test_a_script_that_others_may_change_is_found(tmp_path: Path, settings: Any) -> None:
    script = tmp_path / "script.py"
    script.touch()
    script.chmod(0o666)
    tmp_path.chmod(0o755)
    settings.PERSONALQ_COMMANDS = {"run": Command(argv=("/usr/bin/python3", str(script)))}
    assert grade_of("allowed.programs") == "high"


@pytest.mark.parametrize(
    ("hosts", "grade"),
    [
        ([], "ok"),
        (["runner.internal:8080"], "info"),
        (["127.0.0.1:6379"], "medium"),
        (["169.254.169.254:80"], "critical"),
        (["[fe80::1]:80"], "critical"),
        (["metadata.google.internal:80"], "critical"),
    ],
)
def test_hosts_inside_that_agents_may_call(hosts: list[str], grade: str, settings: Any) -> None:
    settings.PERSONALQ_INTERNAL_HOSTS = hosts
    assert grade_of("allowed.hosts") == grade


@pytest.mark.parametrize(
    ("urls", "grade"),
    [
        (["https://api.anthropic.com", "http://127.0.0.1:11434/v1"], "ok"),
        (["http://models.internal:8080/v1"], "medium"),
    ],
)
def test_models_that_get_keys_in_clear(urls: list[str], grade: str, settings: Any) -> None:
    settings.PERSONALQ_MODEL_BASE_URLS = urls
    assert grade_of("allowed.models") == grade
