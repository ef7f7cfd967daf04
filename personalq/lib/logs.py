"""Logs as one JSON object per line: no message can begin a line of its own or move a terminal's cursor."""

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from personalq.lib.current_request import current_request_id
from personalq.lib.redaction import REDACTED, is_secret_name, redact_beginning, redact_end

LONGEST_MESSAGE = 10_000
LONGEST_TRACEBACK = 20_000
LONGEST_VALUE = 2_000
LONGEST_NAME = 64
MOST_MEMBERS = 50
DEEPEST = 4
# Beyond it JSON's readers differ; NaN and Infinity are no JSON at all.
LARGEST_NUMBER = 2**63
CUT = "[cut]"


class JsonFormatter(logging.Formatter):
    """time, level, logger, message, request_id, ``record.fields`` and the traceback: redacted, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact_beginning(_message(record), longest=LONGEST_MESSAGE),
            "request_id": current_request_id() or None,
        }
        told = _safe(getattr(record, "fields", {}), DEEPEST)
        for name, value in told.items() if isinstance(told, dict) else ():
            line.setdefault(name, value)
        if record.exc_info:
            # The end of a traceback tells most.
            line["exception"] = redact_end(self.formatException(record.exc_info), longest=LONGEST_TRACEBACK)
        # In ASCII, JSON escapes all control characters, line separators and direction marks.
        return json.dumps(line)


def _safe(value: object, levels: int) -> Any:
    """What JSON can say of a value: without secrets, and bounded in length, number and depth."""
    if value is None or (isinstance(value, int | float) and abs(value) < LARGEST_NUMBER):
        return value
    if isinstance(value, str):
        return redact_beginning(value, longest=LONGEST_VALUE)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _members(value, levels - 1) if levels else CUT
    return redact_beginning(_text_of(value), longest=LONGEST_VALUE)


def _members(value: Mapping[Any, object] | Iterable[object], levels: int) -> Any:
    if not isinstance(value, Mapping):
        return [_safe(each, levels) for each in islice(value, MOST_MEMBERS)]
    named = ((_text_of(name), each) for name, each in islice(value.items(), MOST_MEMBERS))
    return {
        redact_beginning(name, longest=LONGEST_NAME): REDACTED if is_secret_name(name) else _safe(each, levels)
        for name, each in named
    }


def _text_of(value: object) -> str:
    try:
        return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes | bytearray) else str(value)
    except Exception:  # noqa: BLE001 - what cannot describe itself must not cost the line
        return f"a {type(value).__name__}"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a wrong format string must not cost the line
        return f"{record.msg} (its arguments do not fit)"


def configuration(level: str = "INFO") -> dict[str, Any]:
    """settings.LOGGING: everything goes to stderr, as JSON, from ``level`` upwards."""
    # Below it they write down what passes through them: frames of sockets, and variables of pages with the request.
    discreet = "INFO" if level == "DEBUG" else level
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "personalq.lib.logs.JsonFormatter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Replaces Django's own console handler and its mails to admins.
            "django": {"handlers": [], "level": level, "propagate": True},
            # Refusals (4xx) have their line in personalq.access already.
            "django.request": {"level": "ERROR"},
            # A stranger's wrong Host would write a traceback each time; the access line tells of it.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            # Statements carry values.
            "django.db.backends": {"level": "WARNING"},
            "django.server": {"handlers": [], "level": level, "propagate": True},
            "django.template": {"level": discreet},
            "uvicorn": {"handlers": [], "level": discreet, "propagate": True},
            "uvicorn.error": {"level": discreet},
            "uvicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
            # A line for each nudge would hide what matters.
            "celery": {"level": "WARNING"},
            "kombu": {"level": "WARNING"},
            # They write down URLs with their queries, and the SDKs whole requests.
            "httpx2": {"level": "WARNING"},
            "anthropic": {"level": "WARNING"},
            "openai": {"level": "WARNING"},
            # They write down messages and headers of clients.
            "mcp": {"level": "WARNING"},
            "sse_starlette": {"level": "WARNING"},
            "websockets": {"level": "WARNING"},
            "asyncio": {"level": "WARNING"},
        },
    }
