"""How tasks of an older installation come in: many at once, with the numbers that they had there.

Written by statements over the whole set, not row by row: a hundred thousand rows would take minutes otherwise, and the
history's numbers would keep every reader of events waiting meanwhile.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from tasks import events
from tasks.models import Queue
from tasks.models.task import Source
from tasks.states import Status

KEPT_ID_LIMIT: Final = 10_000_000
"""The highest number that is kept: later tasks count on from the highest one."""

_DRAWN_AT_ONCE: Final = 100_000
_BARRIER_SECONDS: Final = 5
_STAGE: Final = """
CREATE TEMPORARY TABLE incoming_tasks (
    place bigint, wanted_id bigint, prompt text, status smallint, "order" integer, uuid uuid,
    created_at timestamptz, updated_at timestamptz
) ON COMMIT DROP
"""
_COPY: Final = (
    'COPY incoming_tasks (place, wanted_id, prompt, status, "order", uuid, created_at, updated_at) FROM STDIN'
)
_KNOWN: Final = """
SELECT place, source FROM incoming_tasks JOIN tasks ON tasks.uuid = incoming_tasks.uuid ORDER BY place
"""
_LEAVE_OUT_KNOWN: Final = "DELETE FROM incoming_tasks USING tasks WHERE tasks.uuid = incoming_tasks.uuid"
_COLUMNS: Final = (
    'prompt, status, recorded_status, createdat, updatedat, "order", uuid, source, queue_id, finished_at, archived_from'
)
_VALUES: Final = """
prompt, status, status, coalesce(created_at, now()), coalesce(updated_at, created_at, now()), "order", uuid,
%(source)s, %(queue)s,
CASE WHEN status IN (%(complete)s, %(archived)s) THEN coalesce(updated_at, created_at, now()) END,
CASE status WHEN %(archived)s THEN %(complete)s END
"""
_BRING_IN: Final = f"""
INSERT INTO tasks (id, {_COLUMNS}) SELECT wanted_id, {_VALUES} FROM incoming_tasks WHERE wanted_id IS NOT NULL
ORDER BY place ON CONFLICT (id) DO NOTHING
"""  # noqa: S608 - put together from constants
_BRING_IN_RENUMBERED: Final = f"""
INSERT INTO tasks ({_COLUMNS}) SELECT {_VALUES} FROM incoming_tasks
WHERE NOT EXISTS (SELECT FROM tasks WHERE tasks.uuid = incoming_tasks.uuid) ORDER BY place
"""  # noqa: S608 - put together from constants
_RENUMBERED: Final = """
SELECT place, tasks.id FROM incoming_tasks JOIN tasks ON tasks.uuid = incoming_tasks.uuid
WHERE tasks.id IS DISTINCT FROM wanted_id ORDER BY place
"""
_RECORD: Final = """
INSERT INTO task_events (task_id, attempt, kind, data)
SELECT tasks.id, 0, %(kind)s, jsonb_build_object(
    'status', %(words)s::jsonb -> tasks.status::text, 'title', '', 'source', tasks.source, 'imported', true
) FROM incoming_tasks JOIN tasks ON tasks.uuid = incoming_tasks.uuid ORDER BY tasks.id
"""


@dataclass(frozen=True, kw_only=True)
class OlderTask:
    """A task as it stood somewhere else. Without an id, or with one that is taken, it gets a new one.

    `place` says where it stood, for those who ask what became of it.
    """

    place: int
    id: int | None
    prompt: str
    status: Status
    order: int
    uuid: UUID
    created_at: datetime | None
    updated_at: datetime | None


@dataclass
class Intake:
    """What became of them, by place."""

    imported: int = 0
    present: list[int] = field(default_factory=list)
    """Those that an earlier import has brought in."""
    taken: list[int] = field(default_factory=list)
    """Those whose uuid is that of a task which did not come in by an import."""
    renumbered: dict[int, int] = field(default_factory=dict)
    """The new number of those that could not keep theirs."""


def set_ids_aside(highest: int) -> None:
    """See to it that no other new task gets a number up to this one, at most KEPT_ID_LIMIT. Outside a transaction.

    Numbers are drawn, never set: a sequence that is set back for a moment would hand numbers out twice. Then whoever
    has drawn one before and has not used it yet is waited for. Raises OperationalError when that takes long.
    """
    with connection.cursor() as cursor:
        while _draw(cursor, min(highest, KEPT_ID_LIMIT)):
            pass
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{_BARRIER_SECONDS}s"])
        cursor.execute("LOCK TABLE tasks IN SHARE MODE")


def _draw(cursor: Any, highest: int) -> bool:
    """Draw some of the numbers up to this one; whether there were any. In portions: a statement has a time limit."""
    cursor.execute(
        "SELECT count(nextval(sequence)) FROM "
        "(SELECT sequence, coalesce(pg_sequence_last_value(sequence), 0) AS last FROM "
        "(SELECT pg_get_serial_sequence('tasks', 'id')::regclass AS sequence) AS of_tasks) AS found, "
        "generate_series(last + 1, least(last + %s, %s))",
        [_DRAWN_AT_ONCE, highest],
    )
    return bool(cursor.fetchone()[0])


def bring_in(tasks: Iterable[OlderTask]) -> Intake:
    """Write those that are not there yet, with their history, within the caller's transaction.

    Their statuses may be any but running. They have no owner and no agent, and wait for the task operator. Only one
    import may be under way at a time.
    """
    with connection.cursor() as cursor:
        # Reading the source may take longer than a request may.
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute("SELECT set_config(%s, '0', true)", [limit])
        _stage(cursor, tasks)
        intake = _leave_out_known(cursor)
        values = _common_values()
        cursor.execute(_BRING_IN, values)
        cursor.execute(_BRING_IN_RENUMBERED, values)
        cursor.execute(_RENUMBERED)
        intake.renumbered = dict(cursor.fetchall())
        # What can be checked is checked before the first event: from then on readers of events wait for the commit.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(_RECORD, {"kind": events.CREATED, "words": json.dumps({s.value: s.word for s in Status})})
        intake.imported = cursor.rowcount
        cursor.execute("DROP TABLE incoming_tasks")
    return intake


def _stage(cursor: Any, tasks: Iterable[OlderTask]) -> None:
    cursor.execute(_STAGE)
    with cursor.copy(_COPY) as copy:
        for one in tasks:
            copy.write_row(
                (
                    *(one.place, one.id, one.prompt, int(one.status), one.order, one.uuid),
                    *(one.created_at, one.updated_at),
                )
            )
    cursor.execute("ANALYZE incoming_tasks")


def _leave_out_known(cursor: Any) -> Intake:
    cursor.execute(_KNOWN)
    known = cursor.fetchall()
    cursor.execute(_LEAVE_OUT_KNOWN)
    return Intake(
        present=[place for place, source in known if source == Source.IMPORT],
        taken=[place for place, source in known if source != Source.IMPORT],
    )


def _common_values() -> dict[str, Any]:
    return {
        "source": str(Source.IMPORT),
        "queue": Queue.objects.shared_default().pk,
        "complete": int(Status.COMPLETE),
        "archived": int(Status.ARCHIVED),
    }
