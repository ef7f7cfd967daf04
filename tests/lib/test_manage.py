"""The command line says in a sentence what is wrong with the settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from personalq.embedded.throwaway import use_throwaway_settings

REPOSITORY = Path(__file__).resolve().parents[2]


def refuse(**wrong: str) -> str:
    """What `manage.py check` says with these settings, which it must refuse."""
    environment = dict(os.environ)
    use_throwaway_settings(environment)
    environment |= wrong
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("name", "value"), [("SECRET_KEY", ""), ("PERSONALQ_COMMANDS", "'{}'"), ("PERSONALQ_WORKER_SLOTS", "many")]
)
def test_wrong_setting_is_named_without_a_traceback(name: str, value: str) -> None:
    said = refuse(**{name: value})
    assert name in said
    assert "make run" in said
