"""What operators do with the audit trail: prune it, export it, let it go on. Each of these is an act in it."""

import getpass
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q

from accounts.audit import chain, retention
from accounts.audit.verifying import Verdict
from accounts.audit.writing import record
from accounts.models import AuditEvent, User
from accounts.models.audit_event import Outcome

EXPORTED = (
    "number", "seal", "key_id", "id", "uuid", "at", "kind", "outcome", "actor_uuid", "actor_name", "owner_uuid",
    "object_kind", "object_uuid", "address", "request_id", "facts", "origin",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which rows to export: all unless something is named. `since` counts, `until` does not any more."""

    since: datetime | None = None
    until: datetime | None = None
    kind: str = ""
    owner: User | None = None

    def rows(self) -> Q:
        """The rows as a condition."""
        wanted = Q()
        if self.since:
            wanted &= Q(at__gte=self.since)
        if self.until:
            wanted &= Q(at__lt=self.until)
        if self.kind:
            wanted &= Q(kind=self.kind)
        if self.owner:
            wanted &= Q(owner_uuid=self.owner.uuid) | Q(actor_uuid=self.owner.uuid)
        return wanted

    def facts(self) -> dict[str, Any]:
        """What was asked for, for the trail."""
        told = {"since": self.since, "until": self.until, "of_kind": self.kind, "of": self.owner and self.owner.uuid}
        return {name: str(value) for name, value in told.items() if value}


def export(wanted: Selection) -> Iterator[dict[str, Any]]:
    """The rows, oldest first, in little memory. That they were exported is written before the first one is given."""
    owner = wanted.owner
    record("audit.exported", Outcome.DONE, owner=owner, system_user=_system_user(), **wanted.facts())
    chain.extend_fully(wait=True)
    rows = AuditEvent.objects.filter(wanted.rows()).order_by("id").values(*EXPORTED)
    yield from rows.iterator(chunk_size=2000)


def prune(days: int | None = None) -> int:
    """Remove what is older than so many days, by default PERSONALQ_AUDIT_DAYS; returns how many. 0 removes nothing.

    Raises ValueError for fewer days than `retention.FEWEST_DAYS`.
    """
    kept = settings.PERSONALQ_AUDIT_DAYS if days is None else days
    if not kept:
        return 0
    removed = retention.remove_older_than(kept)
    if removed:
        record("audit.pruned", Outcome.DONE, rows=removed, days=kept)
    return removed


def resume(found: Verdict, reason: str) -> int:
    """Chain on behind the newest row that is there, and say so in the trail; returns that row's number.

    Args:
        found: What is wrong, from `verify`: it becomes part of the trail.
        reason: Why, in the operator's words.
    """
    number = chain.resume()
    faults = sorted({fault.code for fault in found.faults})
    record("audit.resumed", Outcome.DONE, after=number, faults=faults, reason=reason, system_user=_system_user())
    chain.extend_fully(wait=True)
    return number


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return ""
