"""Writing deliveries, in the transaction of the events that they tell of."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction
from django.views.decorators.debug import sensitive_variables

from personalq.lib.current_request import current_request_id
from tasks.models import TaskEvent
from tasks.states import WORDS, Status
from webhooks.outbound import nudges
from webhooks.outbound.kinds import OFFERED

GIVE_UP_AFTER: Final = "3 days"
_OFFERED: Final = frozenset(OFFERED)
_WORD_OF_STATUS: Final = [Status(number).word for number in range(len(WORDS))]

# An endpoint that is being deleted at this moment is passed by: to refer to it would fail the task's own change.
_FIND: Final = """
SELECT id FROM webhook_endpoints
WHERE owner_id = ANY(%(owners)s) AND off_reason = '' AND kinds && %(kinds)s::varchar[]
FOR KEY SHARE SKIP LOCKED
"""

# Only what is listed here leaves the house: no prompt, output, result or reason.
_WRITE: Final = """
WITH written AS (
    INSERT INTO webhook_deliveries (endpoint_id, event_id, kind, give_up_at, request_id, body)
    SELECT e.id, v.id, v.kind, statement_timestamp() + %(give_up_after)s::interval,
        coalesce(nullif(%(request_id)s, ''), t.request_id, ''), json_build_object(
        'type', v.kind,
        'timestamp', to_char(v.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'data', json_build_object(
            'event', v.id,
            'task', t.uuid,
            'schedule', s.uuid,
            'title', coalesce(t.title, s.name),
            'status', (%(words)s::text[])[t.status + 1],
            'attempt', v.attempt,
            'error_code', t.error_code,
            'url', CASE WHEN t.uuid IS NULL THEN %(schedules)s || s.uuid ELSE %(tasks)s || t.uuid END
        )
    )::text
    FROM webhook_endpoints e
    JOIN task_events v ON v.owner_id = e.owner_id AND v.kind = ANY(e.kinds)
    LEFT JOIN tasks t ON t.id = v.task_id
    LEFT JOIN schedules s ON s.id = coalesce(v.schedule_id, t.schedule_id)
    WHERE e.id = ANY(%(endpoints)s) AND v.id = ANY(%(events)s)
    ORDER BY v.id
    RETURNING endpoint_id
)
SELECT id, owner_id FROM webhook_endpoints
WHERE id IN (SELECT endpoint_id FROM written) AND (held_until_at IS NULL OR held_until_at <= statement_timestamp())
"""


def note_events(events: Sequence[TaskEvent]) -> None:
    """Write a delivery of each event for each endpoint of its owner that wants its kind; wake the senders afterwards.

    One query for owners who have no such endpoint, two for the others, however many events there are.
    """
    wanted = [event for event in events if event.kind in _OFFERED and event.owner_id is not None]
    found = _find(wanted) if wanted else []
    for endpoint_id, owner_id in _write(wanted, found) if found else ():
        transaction.on_commit(partial(nudges.nudge, endpoint_id, owner_id), robust=True)


def _find(events: Sequence[TaskEvent]) -> list[int]:
    owners, kinds = {event.owner_id for event in events}, {event.kind for event in events}
    return [row[0] for row in _ask(_FIND, owners=[*owners], kinds=[*kinds])]


def _write(events: Sequence[TaskEvent], endpoints: Sequence[int]) -> list[tuple[int, int]]:
    """Returns the endpoints, with their owners, that may be sent to at once."""
    return _ask(
        _WRITE,
        endpoints=endpoints,
        events=[event.id for event in events],
        give_up_after=GIVE_UP_AFTER,
        request_id=current_request_id(),
        words=_WORD_OF_STATUS,
        tasks=f"{settings.PERSONALQ_PUBLIC_URL}/tasks/",
        schedules=f"{settings.PERSONALQ_PUBLIC_URL}/schedules/",
    )


@sensitive_variables()
def _ask(statement: str, **values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
