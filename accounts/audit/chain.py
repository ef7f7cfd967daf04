"""Chaining the rows of the audit trail: each carries a keyed hash over itself and over the row before.

Rows are chained right after the commit that wrote them, in the order of their ids as far as they are visible then, so
that no transaction waits for another one's place. The database refuses every change of a row but this one, and every
removal but that of old rows (migration 0006).
"""

import logging
import time
from typing import Any, Final

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.audit.keys import AuditKey, first_key, keys, mac, values_of
from accounts.models import AuditEvent, AuditMark

BATCH: Final = 500
BEGINNING: Final = "0" * 64
"""What stands for the row before the first one."""
_LOCK: Final = 7_205_759_403
"""An advisory lock of PostgreSQL: whoever holds it chains."""
_TOLD_EVERY_SECONDS: Final = 60
_PLACE: Final = """
UPDATE audit_events AS event SET number = place.number, seal = place.seal, key_id = %s
FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS place (id, number, seal)
WHERE event.id = place.id AND event.number IS NULL
"""

_logger = logging.getLogger(__name__)
_told_at = {"broken": float("-inf")}


class ChainBroken(Exception):  # noqa: N818 - says what happened
    """The mark of the newest row is not what was written: chaining on would cover that up."""


def extend(*, wait: bool = False) -> int:
    """Chain what is committed and not chained yet, at most `BATCH` rows; returns how many.

    Never inside a transaction: what it chains must have happened. Where the chain is broken nothing is chained until an
    operator says so (`resume`); the log tells it.

    Args:
        wait: Whether to wait while somebody else chains. Without it, theirs or the next call takes the rest.
    """
    if not AuditEvent.objects.filter(number=None).exists():
        return 0
    try:
        return _extend(wait=wait)
    # The latter when rows stand where the mark says that there are none.
    except (ChainBroken, IntegrityError):
        _tell_broken()
        return 0


def extend_fully(*, wait: bool = False) -> int:
    """Chain all that is committed, for the sweep and for those who verify."""
    total = 0
    while done := extend(wait=wait):
        total += done
    return total


@transaction.atomic(durable=True)
def resume() -> int:
    """Go on behind the newest row that is there, whatever the mark says; returns that row's number.

    What is wrong with the rows before stays to be found.
    """
    _take_turn(wait=True)
    number, seal = _newest()
    _set_mark(AuditMark.Kind.HEAD, number=number, seal=seal)
    return number


def cut(*, number: int, seal: str) -> None:
    """Note up to where old rows are removed."""
    _set_mark(AuditMark.Kind.CUT, number=number, seal=seal)


def seal_of(event: AuditEvent, *, number: int, before: str, key: AuditKey) -> str:
    """The keyed hash of a row at a place, in hexadecimal digits."""
    told = [number, before, event.pk, event.at.isoformat(timespec="microseconds"), event.origin]
    return mac(key.chain, [*told, *values_of(event)])


def is_genuine(mark: AuditMark) -> bool:
    """Whether a mark carries the keyed hash that one of the keys gives it."""
    key = keys().get(mark.key_id)
    return key is not None and constant_time_compare(_mac_of_mark(mark, key), mark.mac)


@transaction.atomic(durable=True)
def _extend(*, wait: bool) -> int:
    if not _take_turn(wait=wait):
        return 0
    number, seal = _head()
    pending = list(AuditEvent.objects.filter(number=None).order_by("id")[:BATCH])
    if not pending:
        return 0
    key, seals = first_key(), []
    for place, event in enumerate(pending, start=number + 1):
        seal = seal_of(event, number=place, before=seal, key=key)
        seals.append(seal)
    _place(pending, range(number + 1, number + 1 + len(pending)), seals, key)
    _set_mark(AuditMark.Kind.HEAD, number=number + len(pending), seal=seal)
    return len(pending)


def _take_turn(*, wait: bool) -> bool:
    call = "SELECT pg_advisory_xact_lock(%s) IS NOT NULL" if wait else "SELECT pg_try_advisory_xact_lock(%s)"
    with connection.cursor() as cursor:
        cursor.execute(call, [_LOCK])
        return bool(cursor.fetchone()[0])


def _head() -> tuple[int, str]:
    """The newest place and its seal. Raises ChainBroken."""
    mark = AuditMark.objects.filter(kind=AuditMark.Kind.HEAD).first()
    if mark is None:
        if _newest() != (0, BEGINNING):
            raise ChainBroken
        return 0, BEGINNING
    if not is_genuine(mark):
        raise ChainBroken
    return mark.number, mark.seal


def _newest() -> tuple[int, str]:
    rows = AuditEvent.objects.exclude(number=None).order_by("-number").values_list("number", "seal")
    marks = AuditMark.objects.filter(kind=AuditMark.Kind.CUT).values_list("number", "seal")
    number, seal = rows.first() or marks.first() or (0, BEGINNING)
    return number or 0, seal


def _place(pending: list[AuditEvent], numbers: range, seals: list[str], key: AuditKey) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_PLACE, [key.id, [event.pk for event in pending], list(numbers), seals])
        if cursor.rowcount != len(pending):
            raise ChainBroken


def _set_mark(kind: str, *, number: int, seal: str) -> None:
    key = first_key()
    mark = AuditMark(kind=kind, number=number, seal=seal, at=timezone.now(), key_id=key.id)
    mark.mac = _mac_of_mark(mark, key)
    told = {name: getattr(mark, name) for name in ("number", "seal", "at", "key_id", "mac")}
    if not AuditMark.objects.filter(kind=kind).update(**told):
        mark.save(force_insert=True)


def _mac_of_mark(mark: AuditMark, key: AuditKey) -> str:
    told: list[Any] = [mark.kind, mark.number, mark.seal, mark.at.isoformat(timespec="microseconds")]
    return mac(key.chain, told)


def _tell_broken() -> None:
    # Every act tries to chain: one line a minute says as much as thousands.
    if time.monotonic() - _told_at["broken"] >= _TOLD_EVERY_SECONDS:
        _told_at["broken"] = time.monotonic()
        _logger.error("The audit trail cannot be chained on: run `manage.py verify_audit`, which says why.")
