"""Acts that may come in floods, such as refusals: of what is the same one row is written in a while."""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from accounts.audit import writing
from accounts.models import AuditEvent, User
from accounts.models.audit_event import Outcome
from personalq.lib import afterwards


def record_seldom(
    kind: str,
    outcome: Outcome,
    *,
    within: timedelta,
    actor: User | None = None,
    owner: User | None = None,
    about: tuple[str, UUID] | None = None,
    same: Mapping[str, str] | None = None,
    **facts: Any,
) -> None:
    """Write an act unless it was written within this time: the same actor, owner, object, outcome and facts in `same`.

    It is written when whoever serves the request has left all transactions, so it stays when they are rolled back. What
    cannot be written is logged, and changes no answer.
    """
    facts |= same or {}
    write = partial(writing.record, kind, outcome, actor=actor, owner=owner, about=about, **facts)
    concerned = owner or actor
    sameness = {
        "kind": kind,
        "outcome": outcome,
        "actor_uuid": actor.uuid if actor else None,
        "owner_uuid": concerned.uuid if concerned else None,
        "object_uuid": about[1] if about else None,
    }
    afterwards.put_off(partial(_write_unless_written, write, sameness, dict(same or {}), within))


@transaction.atomic
def _write_unless_written(
    write: partial[AuditEvent], sameness: dict[str, Any], same: dict[str, str], within: timedelta
) -> None:
    if not _is_ours(sameness, same):
        # Somebody writes the same at this moment.
        return
    lately = AuditEvent.objects.filter(at__gt=Now() - within, **sameness)
    if not lately.filter(facts__contains=same).exists():
        write()


def _is_ours(*whole: dict[str, Any]) -> bool:
    digest = hashlib.blake2b(repr(whole).encode(), digest_size=8, person=b"seldom audit").digest()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [int.from_bytes(digest, signed=True)])
        return bool(cursor.fetchone()[0])
