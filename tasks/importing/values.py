"""One row of the older table, read strictly: what is odd is refused with its column and a reason, never guessed."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from tasks.lifecycle import KEPT_ID_LIMIT, OlderTask
from tasks.models.task import PROMPT_LENGTH
from tasks.states import Status

Value = int | float | str | bytes | None

REASONS: Final = {
    "empty": "It is empty.",
    "too_long": "It is too long.",
    "not_text": "It is not text.",
    "unknown_status": "No such status: 0 ready, 1 complete, 2 archived, 3 backlogged and 4 in progress are known.",
    "not_a_number": "It is not a whole number.",
    "out_of_range": "It is outside of the range.",
    "impossible_date": "It is no date, or one before the year 2000 or after tomorrow.",
    "not_an_id": "It is not a uuid.",
    "repeated": "An earlier row has the same.",
    "taken": "A task here that did not come by an import has the same.",
}

PROMPT_BYTES: Final = PROMPT_LENGTH * 4
"""What has more is too long in any encoding."""
IN_PROGRESS: Final = 4
_STATUSES: Final = {
    0: Status.READY,
    1: Status.COMPLETE,
    2: Status.ARCHIVED,
    3: Status.BACKLOGGED,
    # Nobody here works on it.
    IN_PROGRESS: Status.READY,
}
_HIGHEST_ORDER: Final = 2**31 - 1
_NAMESPACE: Final = UUID("5d7a9a35-4f0a-4f1c-8f0e-2c1f0a7e9b61")
_CANONICAL: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_IMPOSSIBLE: Final = re.compile("[\0\ud800-\udfff]")
_ISO: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:[ T](?P<clock>\d\d:\d\d(?::\d\d)?)(?:[.,](?P<fraction>\d{1,9}))?"
    r" ?(?P<zone>Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
_EPOCH: Final = re.compile(r"\d{9,14}(?:\.\d{1,9})?", re.ASCII)
# As seconds this is the year 5138, as milliseconds 1973.
_MILLISECONDS_FROM: Final = 10**11
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)


class Refused(ValueError):  # noqa: N818 - named like the others
    """A value that cannot be taken over: its column, and a key of REASONS."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"{field}: {reason}")


@dataclass(frozen=True, kw_only=True)
class OlderRow:
    """A row as SQLite gives it. Of a prompt that is far too long there is only the number of its bytes."""

    place: int
    id: Value
    prompt: Value
    prompt_bytes: int | None
    status: Value
    createdat: Value
    updatedat: Value
    order: Value
    uuid: Value


def read_task(row: OlderRow, *, now: datetime) -> OlderTask:
    """The task of a row. Raises Refused for the first value that cannot be taken over."""
    number, prompt = _number(row.id), _prompt(row)
    if row.status not in _STATUSES or isinstance(row.status, float):
        raise Refused("status", "unknown_status")
    return OlderTask(
        place=row.place,
        id=number if number <= KEPT_ID_LIMIT else None,
        prompt=prompt,
        status=_STATUSES[int(row.status)],
        order=_order(row.order),
        created_at=read_time("createdat", row.createdat, now=now),
        updated_at=read_time("updatedat", row.updatedat, now=now),
        uuid=_uuid(row),
    )


def read_time(field: str, value: Value, *, now: datetime) -> datetime | None:
    """The moment that a value means, in UTC unless it names another zone; None when there is none.

    Known are SQLite's and ISO 8601's texts, and seconds or milliseconds since 1970. Raises Refused.
    """
    if value is None:
        return None
    try:
        moment = _moment(value)
    except (ValueError, OverflowError):
        raise Refused(field, "impossible_date") from None
    # Julian days, too, would be times before 2000 if they were taken for seconds.
    if not _EARLIEST <= moment <= now + timedelta(days=1):
        raise Refused(field, "impossible_date")
    return moment


def is_text(value: str) -> bool:
    """Whether PostgreSQL can hold it. What was no UTF-8 in the file came as lone surrogates."""
    return _IMPOSSIBLE.search(value) is None


def _moment(value: Value) -> datetime:
    if isinstance(value, int | float):
        return _since_1970(value)
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004 - one error for whatever is no time
    if _EPOCH.fullmatch(value):
        return _since_1970(float(value) if "." in value else int(value))
    return _calendar(value)


def _since_1970(value: float) -> datetime:
    seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
    return datetime.fromtimestamp(seconds, UTC)


def _calendar(value: str) -> datetime:
    found = _ISO.fullmatch(value.strip(" "))
    if found is None:
        raise ValueError(value)
    zone = (found["zone"] or "+00:00").replace("Z", "+00:00")
    fraction = (found["fraction"] or "").ljust(6, "0")[:6]
    clock = found["clock"] or "00:00"
    seconds = "" if clock.count(":") > 1 else ":00"
    return datetime.fromisoformat(f"{found['day']}T{clock}{seconds}.{fraction}{zone}").astimezone(UTC)


def _number(value: Value) -> int:
    if not isinstance(value, int):
        raise Refused("id", "not_a_number")
    if value < 1:
        raise Refused("id", "out_of_range")
    return value


def _order(value: Value) -> int:
    if not isinstance(value, int):
        raise Refused("order", "not_a_number")
    if not -_HIGHEST_ORDER - 1 <= value <= _HIGHEST_ORDER:
        raise Refused("order", "out_of_range")
    return value


def _prompt(row: OlderRow) -> str:
    if row.prompt_bytes is not None and row.prompt_bytes > PROMPT_BYTES:
        raise Refused("prompt", "too_long")
    if row.prompt is None or row.prompt == "":
        raise Refused("prompt", "empty")
    if not isinstance(row.prompt, str) or not is_text(row.prompt):
        raise Refused("prompt", "not_text")
    if len(row.prompt) > PROMPT_LENGTH:
        raise Refused("prompt", "too_long")
    return row.prompt


def _uuid(row: OlderRow) -> UUID:
    if row.uuid is None:
        # Of what stays the same over there, so that a second import finds the task again.
        facts = json.dumps([row.id, str(row.createdat), row.prompt])
        return uuid5(_NAMESPACE, facts)
    if not isinstance(row.uuid, str) or not _CANONICAL.fullmatch(row.uuid):
        raise Refused("uuid", "not_an_id")
    return UUID(row.uuid)
