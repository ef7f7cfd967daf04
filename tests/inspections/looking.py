"""Asking one inspection, by the id under which it is registered."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from personalq.embedded.layout import REPOSITORY
from personalq.lib import inspection
from personalq.lib.inspection import Result, Scene


def look(name: str, **scene: Any) -> Result:
    """What it says, without the thread that `security_audit` gives it."""
    (found,) = (each for each in inspection.inspections() if each.id == name)
    result = found.look(Scene(**scene))
    assert result.grade in {"ok", "info", *found.grades, inspection.UNKNOWN}
    return result


def grade_of(name: str, **scene: Any) -> str:
    return look(name, **scene).grade


def audit(environment: Mapping[str, str], *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Status and findings of `manage.py security_audit` in a process of its own."""
    done = manage(environment, "security_audit", "--format", "json", "--advisory-service", "", *arguments)
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    return done.returncode, {each["id"]: each for each in json.loads(done.stdout)["findings"]}


def manage(environment: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "manage.py"), *arguments],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
