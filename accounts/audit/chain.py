"""Chaining the rows of the audit trail: each carries a keyed hash over itself and over the row before.

HMAC-SHA256 (RFC 2104) under a key that HKDF-SHA256 (RFC 5869) derives from an entry of PERSONALQ_AUDIT_KEYS; the first
entry chains, all of them verify. Rows are chained right after the commit that wrote them, in the order of their ids as
far as they are visible then, so that no transaction waits for another one's place. The database refuses every change
of a row but this one, and every removal but that of old rows (migration 0006).
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from accounts.models import AuditEvent, AuditMark

BATCH: Final = 500
BEGINNING: Final = "0" * 64
"""What stands for the row before the first one."""
_LOCK: Final = 7_205_759_403
"""An advisory lock of PostgreSQL: whoever holds it chains."""

_COLUMNS: Final = (
    "id",
    "kind",
    "outcome",
    "actor_uuid",
    "actor_name",
    "owner_uuid",
    "object_kind",
    "object_uuid",
    "address",
    "request_id",
    "facts",
)


def extend() -> int:
    """Chain what is committed and not chained yet, at most `BATCH` rows; returns how many.

    Never waits: when somebody else chains at this moment, theirs or the next call takes the rest.
    """
    with transaction.atomic():
        if not _is_ours():
            return 0
        head = AuditMark.objects.select_for_update().filter(kind=AuditMark.Kind.HEAD).first()
        number, seal = (head.number, head.seal) if head else (0, BEGINNING)
        pending = list(AuditEvent.objects.filter(number=None).order_by("id")[:BATCH])
        if not pending:
            return 0
        key_id, key = next(iter(keys().items()))
        for event in pending:
            number += 1
            seal = seal_of(event, number=number, before=seal, key=key)
            AuditEvent.objects.filter(pk=event.pk, number=None).update(number=number, seal=seal, key_id=key_id)
        set_mark(AuditMark.Kind.HEAD, number=number, seal=seal)
    return len(pending)


def extend_fully() -> int:
    """Chain all that is committed, for the sweep and for those who verify."""
    total = 0
    while done := extend():
        total += done
    return total


def seal_of(event: AuditEvent, *, number: int, before: str, key: bytes) -> str:
    """The keyed hash of a row at a place, in hexadecimal digits."""
    told = [number, before, event.at.isoformat(timespec="microseconds")]
    told += [_plain(getattr(event, column)) for column in _COLUMNS]
    return _mac(key, told)


def set_mark(kind: str, *, number: int, seal: str) -> None:
    """Note how far the chain reaches, or up to where it was cut."""
    key_id, key = next(iter(keys().items()))
    mark, _ = AuditMark.objects.update_or_create(
        kind=kind, defaults={"number": number, "seal": seal, "at": Now(), "mac": "", "key_id": key_id}
    )
    mark.refresh_from_db()
    AuditMark.objects.filter(pk=mark.pk).update(mac=mac_of_mark(mark, key))


def mac_of_mark(mark: AuditMark, key: bytes) -> str:
    """The keyed hash that a mark has to carry."""
    return _mac(key, [mark.kind, mark.number, mark.seal, mark.at.isoformat(timespec="microseconds")])


def keys() -> Mapping[str, bytes]:
    """Key id → key, in the order of the setting."""
    return _derived(tuple(settings.PERSONALQ_AUDIT_KEYS))


def _is_ours() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int | str | dict) else str(value)


def _mac(key: bytes, told: Iterable[Any]) -> str:
    exact = json.dumps(list(told), sort_keys=True, separators=(",", ":"))
    return hmac.digest(key, exact.encode(), hashlib.sha256).hex()


@lru_cache(maxsize=8)
def _derived(entries: tuple[str, ...]) -> Mapping[str, bytes]:
    return {
        _derive(entry, b"personalq audit key id", 8).hex(): _derive(entry, b"personalq audit", 32) for entry in entries
    }


def _derive(entry: str, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(entry.encode())
