"""Counting each request once, however often its sender repeats it.

The row is written first, in the transaction of what the request does: a second request with the same key waits there
for the first one's end. If that was undone the second one counts, so a refusal that may pass later is not remembered.
"""

import hashlib
import re
from datetime import timedelta
from typing import Final

from django.db import connection
from django.utils.timezone import now

from tasks.models import Task
from webhooks.doors.guard import DoorRefused
from webhooks.models import Door, InboundRequest, Outcome
from webhooks.models.door import KEY_LENGTH

KEPT_DAYS: Final = 30
_PLAIN: Final = re.compile(rf"[!-~]{{1,{KEY_LENGTH}}}")


def first_time(*, door: Door, key: str, digest: str = "") -> bool:
    """Whether this door has seen neither the key nor the digest; from now on it has, if the transaction is committed.

    Args:
        door: The door that the request came in by.
        key: The sender's id of the request.
        digest: Of what the sender signed, where that does not cover the id: another id makes nothing new of it.

    Raises DoorRefused when the door was deleted at this moment. Inside a transaction only.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("Requests are remembered in the transaction of what they do.")
    _keep(door)
    row = InboundRequest(door=door, key=plain_key(key), digest=digest, outcome=Outcome.IGNORED)
    return _insert(row)


def remember(*, door: Door, key: str, outcome: Outcome, code: str = "", task: Task | None = None) -> None:
    """Say what became of a request that counted, in the same transaction."""
    rows = InboundRequest.objects.filter(door_id=door.pk, key=plain_key(key))
    rows.update(outcome=outcome, code=code, task=task)


def seen(*, door: Door, key: str, digest: str = "") -> InboundRequest | None:
    """The request that counted for this key or digest."""
    rows = InboundRequest.objects.filter(door_id=door.pk).select_related("task")
    by_key = rows.filter(key=plain_key(key)).first()
    return by_key or (rows.filter(digest=digest).first() if digest else None)


def digest_of(*parts: bytes) -> str:
    """A digest of what was signed."""
    whole = hashlib.sha256()
    for part in parts:
        # Each with its length: else two that are cut elsewhere would be one.
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()


def plain_key(key: str) -> str:
    """The key as it is kept: itself, or a digest of one that is long or odd."""
    return key if _PLAIN.fullmatch(key) else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def forget_old() -> int:
    """Delete what was remembered for longer than 30 days. Returns how many."""
    return InboundRequest.objects.filter(at__lt=now() - timedelta(days=KEPT_DAYS)).delete()[0]


def _keep(door: Door) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM doors WHERE id = %s FOR KEY SHARE", [door.pk])
        if cursor.rowcount != 1:
            raise DoorRefused


def _insert(row: InboundRequest) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO inbound_requests (door_id, key, digest, outcome, code) VALUES (%s, %s, %s, %s, '') "
            "ON CONFLICT DO NOTHING",
            [row.door_id, row.key, row.digest, row.outcome],
        )
        return bool(cursor.rowcount == 1)
