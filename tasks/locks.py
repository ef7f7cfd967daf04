"""The advisory locks of this app, each held until the transaction ends."""

import hashlib
from collections.abc import Collection
from typing import Final

from django.db import OperationalError, connection
from psycopg.errors import LockNotAvailable

from personalq.lib.errors import Conflict

_CLAIMS: Final = 7_041_776_201
_SWEEP: Final = 7_041_776_203
_HAND_OUT: Final = 7_041_776_205
_IMPORT: Final = 7_041_776_207
_KEY_WAIT: Final = "2s"


def hold_claims() -> None:
    """Let nobody else claim: whoever claims or narrows a limit waits here for the one before.

    So limits are counted by one claim at a time, and after a narrowing has committed nothing starts beyond it.
    Taken after the rows of queues and agents and before those of tasks: whoever holds it waits for nobody.
    """
    _execute("SELECT pg_advisory_xact_lock(%s)", _CLAIMS)


def hold_hand_out() -> None:
    """Let nobody else hand tasks out, or turn the task operator on or off. Taken before every other lock."""
    _execute("SELECT pg_advisory_xact_lock(%s)", _HAND_OUT)


def keep_agents(agent_ids: Collection[int]) -> bool:
    """Let nobody delete these agents until the transaction ends; False when one of them is deleted already.

    Shared with others that do the same; only deleting takes the lock that conflicts with it. A foreign key alone would
    ask for it at the commit, too late for deleting to see what refers to the agent.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM agents WHERE id = ANY(%s) AND deleted_at IS NULL ORDER BY id FOR KEY SHARE",
            [sorted(agent_ids)],
        )
        return bool(cursor.rowcount == len(agent_ids))


def keep_queue(queue_id: int) -> bool:
    """The same for a queue."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM queues WHERE id = %s FOR KEY SHARE", [queue_id])
        return bool(cursor.rowcount == 1)


def try_sweep() -> bool:
    """Whether this is the only sweep at work."""
    return bool(_execute("SELECT pg_try_advisory_xact_lock(%s)", _SWEEP))


def try_import() -> bool:
    """Whether this is the only import under way."""
    return bool(_execute("SELECT pg_try_advisory_xact_lock(%s)", _IMPORT))


class KeyBusy(Conflict):
    """Others that bring the same concurrency key take long."""

    code = "concurrency_key_busy"
    title = "Other requests with this concurrency key are under way."
    advice = "Send it again in a moment."


def hold_concurrency_key(*, owner_id: int, key: str) -> None:
    """Let nobody else bring in a task with this key of an owner. Taken before any row lock.

    Raises KeyBusy when others hold it for longer than two seconds: who waits keeps a connection from everybody.
    """
    digest = hashlib.blake2b(f"{owner_id}:{key}".encode(), digest_size=8, person=b"task-key").digest()
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout'), set_config('lock_timeout', %s, true)", [_KEY_WAIT])
        before = cursor.fetchone()[0]
        try:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", _two_numbers(digest))
        except OperationalError as error:
            if isinstance(error.__cause__, LockNotAvailable):
                raise KeyBusy from None
            raise
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [before])


def hold_spending(owner_id: int) -> None:
    """Let nobody else reserve what an owner may spend. Taken after the task's row."""
    digest = hashlib.blake2b(str(owner_id).encode(), digest_size=8, person=b"spending").digest()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", _two_numbers(digest))


def _two_numbers(digest: bytes) -> tuple[int, int]:
    # Two numbers: nothing of a user's choice can be one of the locks above or an event's guard, which have one.
    return int.from_bytes(digest[:4], signed=True), int.from_bytes(digest[4:], signed=True)


def _execute(statement: str, number: int) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement, [number])
        return cursor.fetchone()[0]
