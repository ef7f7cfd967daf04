import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from personalq.embedded.env_file import (
    GENERATED_SECRETS,
    find_missing,
    is_open_to_others,
    locate_env_file,
    make_or_complete,
    parse,
)
from personalq.embedded.errors import EmbeddedError
from personalq.embedded.layout import REPOSITORY
from tests.embedded.running import clean_environment

RACERS = 12
RACE = """
import sys
from pathlib import Path
from personalq.embedded.env_file import make_or_complete
sys.stdin.read()
print(bool(make_or_complete(Path(sys.argv[1]), {})))
"""


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_first_start_makes_a_private_file_with_fresh_secrets(env_file: Path) -> None:
    assert "fresh secrets" in make_or_complete(env_file, {})
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    values = parse(env_file.read_text())
    assert len(values["SECRET_KEY"]) >= 64
    assert len(values["JWT_SIGNING_KEY"]) >= 64
    assert len(values["PERSONALQ_ENCRYPTION_KEYS"]) >= 64
    assert len(values["PERSONALQ_AUDIT_KEYS"]) >= 64
    assert len({values[name] for name in GENERATED_SECRETS}) == len(GENERATED_SECRETS)
    assert values["PERSONALQ_HTTPS"] == "false"
    assert values["ALLOWED_HOSTS"] == "localhost,127.0.0.1"


def test_mode_is_private_whatever_the_umask(env_file: Path) -> None:
    before = os.umask(0)
    try:
        make_or_complete(env_file, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600


def test_messages_name_variables_and_never_values(env_file: Path) -> None:
    env_file.write_text("SECRET_KEY=mine\nPERSONALQ_ENCRYPTION_KEYS=mine, too\nPERSONALQ_AUDIT_KEYS=mine, as well\n")
    said = make_or_complete(env_file, {})
    assert said == f"Added to {env_file}: JWT_SIGNING_KEY."
    assert parse(env_file.read_text())["JWT_SIGNING_KEY"] not in said


def test_second_start_changes_nothing(env_file: Path) -> None:
    make_or_complete(env_file, {})
    before = env_file.read_bytes()
    assert make_or_complete(env_file, {}) == ""
    assert env_file.read_bytes() == before


def test_missing_secret_is_appended_and_nothing_else_touched(env_file: Path) -> None:
    text = "# mine\nSECRET_KEY='kept'\nexport OTHER=1\nALLOWED_HOSTS=queue.example"
    env_file.write_text(text)
    make_or_complete(env_file, {})
    assert env_file.read_text().startswith(text + "\nJWT_SIGNING_KEY=")
    assert "PERSONALQ_HTTPS" not in env_file.read_text()


def test_secret_from_elsewhere_is_not_made_again() -> None:
    given = {"SECRET_KEY_FILE": "/run/secret", "PERSONALQ_ENCRYPTION_KEYS_FILE": "/run/keys"}
    assert find_missing(given, {"JWT_SIGNING_KEY": "x", "PERSONALQ_AUDIT_KEYS_FILE": "/run/audit"}) == ()


def test_file_of_an_older_version_gets_the_later_keys_once(env_file: Path) -> None:
    env_file.write_text("SECRET_KEY=kept\nJWT_SIGNING_KEY=kept, too\n")
    later = ("PERSONALQ_ENCRYPTION_KEYS", "PERSONALQ_AUDIT_KEYS")
    assert make_or_complete(env_file, {}) == f"Added to {env_file}: {', '.join(later)}."
    keys = {name: parse(env_file.read_text())[name] for name in later}
    assert make_or_complete(env_file, {}) == ""
    assert parse(env_file.read_text()) == {"SECRET_KEY": "kept", "JWT_SIGNING_KEY": "kept, too", **keys}


def test_commented_secret_does_not_count() -> None:
    assert find_missing(parse("#SECRET_KEY=a\n # JWT_SIGNING_KEY=b\n"), {}) == (
        "SECRET_KEY",
        "JWT_SIGNING_KEY",
        "PERSONALQ_ENCRYPTION_KEYS",
        "PERSONALQ_AUDIT_KEYS",
    )


@pytest.mark.parametrize(
    ("line", "value"),
    [("A=1", "1"), ("export A = two words ", "two words"), ("A='q'", "q"), ('A="q"', "q"), ("A=", "")],
)
def test_assignments_are_read_as_the_settings_read_them(line: str, value: str) -> None:
    assert parse(line) == {"A": value}


def test_racing_first_starts_agree_on_one_file(env_file: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(env_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            env=clean_environment(),
            text=True,
        )
        for _ in range(RACERS)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()
        racer.stdin = None
    answers = [racer.communicate()[0].strip() for racer in racers]
    assert answers.count("True") == 1
    assert env_file.read_text().count("SECRET_KEY=") == 1
    assert list(env_file.parent.iterdir()) == [env_file]


def test_another_file_can_be_named(tmp_path: Path) -> None:
    assert locate_env_file(tmp_path, {}) == tmp_path / ".env"
    assert locate_env_file(tmp_path, {"PERSONALQ_ENV_FILE": "/etc/pq.env"}) == Path("/etc/pq.env")


def test_directory_in_place_of_the_file_is_explained(env_file: Path) -> None:
    env_file.mkdir()
    with pytest.raises(EmbeddedError, match="not a file"):
        make_or_complete(env_file, {})


def test_open_file_is_noticed(env_file: Path) -> None:
    env_file.write_text("")
    env_file.chmod(0o640)
    assert is_open_to_others(env_file)
    env_file.chmod(0o600)
    assert not is_open_to_others(env_file)
