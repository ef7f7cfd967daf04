"""The advisory locks of this app, each held until the transaction ends."""

import hashlib
from typing import Final

from django.db import connection

_CLAIMS: Final = 7_041_776_201
_SWEEP: Final = 7_041_776_203


def hold_claims() -> None:
    """Let nobody else claim: whoever claims or narrows a limit waits here for the one before.

    So limits are counted by one claim at a time, and after a narrowing has committed nothing starts beyond it.
    Taken before any row lock.
    """
    _execute("SELECT pg_advisory_xact_lock(%s)", _CLAIMS)


def try_sweep() -> bool:
    """Whether this is the only sweep at work."""
    return bool(_execute("SELECT pg_try_advisory_xact_lock(%s)", _SWEEP))


def hold_concurrency_key(*, owner_id: int, key: str) -> None:
    """Let nobody else bring in a task with this key of an owner. Taken before any row lock."""
    digest = hashlib.blake2b(f"{owner_id}:{key}".encode(), digest_size=8, person=b"task-key").digest()
    _execute("SELECT pg_advisory_xact_lock(%s)", int.from_bytes(digest, signed=True))


def _execute(statement: str, number: int) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement, [number])
        return cursor.fetchone()[0]
