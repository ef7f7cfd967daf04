import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from personalq.lib import redaction
from personalq.lib.current_request import RequestMark, serving
from personalq.lib.logs import JsonFormatter, configuration

pytestmark = pytest.mark.security

SECRET = "Kd83nfPq02Lxz7-known"


@pytest.fixture
def lines() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("tried")
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, stream
    logger.removeHandler(handler)


def only_line(stream: io.StringIO) -> dict[str, Any]:
    text = stream.getvalue()
    assert text.count("\n") == 1
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_line_says_when_where_and_for_which_request(lines: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = lines
    with serving(RequestMark("abc")):
        logger.warning("%s left", 3, extra={"fields": {"status": 200, "user": None}})
    line = only_line(stream)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "WARNING",
        "logger": "tried",
        "message": "3 left",
        "request_id": "abc",
        "status": 200,
        "user": None,
    }


@pytest.mark.parametrize(
    "character", ["\n", "\r", "\x1b", "\x00", "\x7f", "\x85", "\x9b", "\u2028", "\u202e", "\ud800"]
)
def test_no_character_reaches_the_terminal_or_begins_a_line(character: str) -> None:
    record = logging.LogRecord("tried", logging.ERROR, __file__, 1, "a%sb", (character,), None)
    record.__dict__["fields"] = {"path": f"/{character}"}
    raw = JsonFormatter().format(record)
    assert all(" " <= each <= "~" for each in raw)
    assert json.loads(raw)["message"] == f"a{character}b"


def test_secrets_are_redacted_everywhere(
    lines: tuple[logging.Logger, io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redaction, "_known", [])
    redaction.register_secrets(SECRET)
    logger, stream = lines
    try:
        int(f"bad {SECRET} and password=hunter2hunter2")
    except ValueError:
        logger.exception("about %s", SECRET, extra={"fields": {"path": f"/{SECRET}", "more": [SECRET]}})
    assert SECRET not in json.dumps({**only_line(stream), "more": None})
    assert "hunter2" not in stream.getvalue()
    assert "ValueError" in only_line(stream)["exception"]


def test_values_of_any_kind_are_described(lines: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = lines
    logger.error("x", extra={"fields": {"what": ValueError("token=abcdefgh")}})
    assert only_line(stream)["what"] == "token=[redacted]"


def test_wrong_arguments_do_not_cost_the_line() -> None:
    record = logging.LogRecord("tried", logging.ERROR, __file__, 1, "%d", ("x",), None)
    assert json.loads(JsonFormatter().format(record))["message"].startswith("%d")


def test_lines_are_bounded(lines: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = lines
    logger.error("x" * 1_000_000)
    assert len(stream.getvalue()) < 11_000


def test_configuration_is_accepted_by_logging() -> None:
    code = (
        "import logging, logging.config\n"
        "from personalq.lib.logs import configuration\n"
        "logging.config.dictConfig(configuration('INFO'))\n"
        "logging.getLogger('django.request').warning('no')\n"
        "logging.getLogger('uvicorn.access').error('no')\n"
        "logging.getLogger('personalq.x').info('yes')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [json.loads(line)["message"] for line in done.stderr.splitlines()] == ["yes"]


def test_level_is_taken() -> None:
    assert configuration("ERROR")["root"]["level"] == "ERROR"
