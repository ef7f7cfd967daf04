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
    assert SECRET not in stream.getvalue()
    assert "hunter2" not in stream.getvalue()
    assert "ValueError" in only_line(stream)["exception"]


HIDING_PLACES: dict[str, Any] = {
    "text": f"/{SECRET}",
    "list": ["a", [SECRET]],
    "tuple": (SECRET,),
    "set": {SECRET},
    "object": {"a": {"b": SECRET}},
    "name of a member": {SECRET: 1},
    "bytes": SECRET.encode(),
    "bytes in a list": [b"x " + SECRET.encode()],
    "exception": ValueError(SECRET),
    "exception in an object": {"a": [ValueError(SECRET)]},
    "tuple as a name": {(SECRET, 1): 1},
    "before the cut": "x" * 1990 + SECRET,
    "across the second cut": "x" * 2990 + SECRET,
    "deeper than anybody looks": {"a": {"b": {"c": {"d": {"e": SECRET}}}}},
}


@pytest.mark.parametrize("value", HIDING_PLACES.values(), ids=HIDING_PLACES.keys())
def test_known_secret_is_found_wherever_a_field_holds_it(
    value: object, lines: tuple[logging.Logger, io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """V16.2: redaction by value, in every shape that a field can have; not even half of it is left."""
    monkeypatch.setattr(redaction, "_known", [])
    redaction.register_secrets(SECRET)
    logger, stream = lines
    logger.error("x", extra={"fields": {"what": value}})
    assert "what" in only_line(stream)
    assert SECRET[:9] not in stream.getvalue()
    assert SECRET[-9:] not in stream.getvalue()


@pytest.mark.parametrize(
    "name",
    ["password", "new_password", "api_key", "X-EL-Secret", "Authorization", "session_key", "access_token", "Cookie"],
)
def test_member_of_a_telling_name_is_not_shown_whatever_its_value(
    name: str, lines: tuple[logging.Logger, io.StringIO]
) -> None:
    logger, stream = lines
    logger.error("x", extra={"fields": {name: "plain", "inner": {name: ["plain"]}}})
    line = only_line(stream)
    assert (line[name], line["inner"]) == ("[redacted]", {name: "[redacted]"})


@pytest.mark.parametrize("cut", [10_000, 11_000])
@pytest.mark.parametrize("shift", range(1, 20, 3))
def test_secret_at_the_cut_of_a_message_is_not_halved(
    shift: int, cut: int, lines: tuple[logging.Logger, io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redaction, "_known", [])
    redaction.register_secrets(SECRET)
    logger, stream = lines
    logger.error("%s%s%s", "x" * (cut - shift), SECRET, "y" * 5000)
    assert SECRET[:2] not in stream.getvalue()


def _fail(words: str) -> None:
    raise ValueError(words)


def test_secret_at_the_cut_of_a_traceback_is_not_halved(
    lines: tuple[logging.Logger, io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redaction, "_known", [])
    redaction.register_secrets(SECRET)
    logger, stream = lines
    # What is looked at, and of that what is shown.
    for length in (*range(20_990, 21_010, 3), *range(19_990, 20_010, 3)):
        words = "x" * 9000 + SECRET + "y" * (length - len("\nValueError: "))
        try:
            _fail(words)
        except ValueError:
            logger.exception("broke")
    assert SECRET[-2:] not in stream.getvalue()


def test_fields_cannot_take_the_place_of_what_every_line_says(lines: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = lines
    logger.error("x", extra={"fields": {"level": "DEBUG", "message": "y", "time": 0}})
    line = only_line(stream)
    assert (line["level"], line["message"]) == ("ERROR", "x")
    assert line["time"]


def test_fields_are_bounded(lines: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = lines
    logger.error("x", extra={"fields": {"text": "x" * 10**6, "list": ["y" * 100] * 10**5}})
    line = only_line(stream)
    assert (len(line["text"]), len(line["list"])) == (2000, 50)


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError(SECRET)


def test_no_value_costs_the_line(lines: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = lines
    circle: list[Any] = []
    circle.append(circle)
    fields = {"circle": circle, "unspeakable": Unspeakable(), "half": "\ud800", "number": float("nan")}
    logger.error("x", extra={"fields": {**fields, "huge": 10**5000}})
    line = only_line(stream)
    assert (line["unspeakable"], line["number"], line["huge"]) == ("a Unspeakable", "nan", "a int")


def test_what_is_no_mapping_is_left_out(lines: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = lines
    logger.error("x", extra={"fields": ["a"]})
    assert only_line(stream)["message"] == "x"


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


@pytest.mark.parametrize("name", ["django.template", "uvicorn.error", "uvicorn", "django.db.backends", "websockets"])
def test_what_writes_down_all_that_passes_is_silent_at_the_most_talkative_level(name: str) -> None:
    """A-197, A-201: frames of sockets hold prompts and tokens, a page's variables the request with its query."""
    code = (
        "import logging, logging.config\n"
        "from personalq.lib.logs import configuration\n"
        "logging.config.dictConfig(configuration('DEBUG'))\n"
        f"logging.getLogger('{name}').debug('no')\n"
        "logging.getLogger('personalq.x').debug('yes')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [json.loads(line)["message"] for line in done.stderr.splitlines()] == ["yes"]


def test_level_is_taken() -> None:
    assert configuration("ERROR")["root"]["level"] == "ERROR"


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "ERROR"])
def test_standard_error_is_the_only_place_that_lines_go_to(level: str) -> None:
    """A-198: whoever starts the product says what becomes of them."""
    made = configuration(level)
    assert made["handlers"] == {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}}
    assert made["root"]["handlers"] == ["stderr"]
    assert {name for name, logger in made["loggers"].items() if logger.get("handlers")} == set()
