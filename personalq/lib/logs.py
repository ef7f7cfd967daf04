"""Logs as one JSON object per line: no message can begin a line of its own or move a terminal's cursor."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from personalq.lib.current_request import current_request_id
from personalq.lib.redaction import redact

LONGEST_MESSAGE = 10_000
LONGEST_TRACEBACK = 20_000


class JsonFormatter(logging.Formatter):
    """time, level, logger, message, request_id, ``record.fields`` and the traceback: redacted, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(_message(record)[:LONGEST_MESSAGE]),
            "request_id": current_request_id() or None,
        }
        for name, value in getattr(record, "fields", {}).items():
            line.setdefault(name, redact(value) if isinstance(value, str) else value)
        if record.exc_info:
            # The end of a traceback tells most.
            line["exception"] = redact(self.formatException(record.exc_info))[-LONGEST_TRACEBACK:]
        # In ASCII, JSON escapes all control characters, line separators and direction marks.
        return json.dumps(line, default=_describe)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a wrong format string must not cost the line
        return f"{record.msg} (its arguments do not fit)"


def _describe(value: object) -> str:
    return redact(str(value))


def configuration(level: str = "INFO") -> dict[str, Any]:
    """settings.LOGGING: everything goes to stderr, as JSON, from ``level`` upwards."""
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
            "uvicorn": {"handlers": [], "level": level, "propagate": True},
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
