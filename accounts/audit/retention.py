"""Removing old rows of the audit trail from its beginning, so that what is left can still be verified."""

from datetime import timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models.functions import Now

from accounts.audit import chain
from accounts.models import AuditEvent, AuditMark

FEWEST_DAYS: Final = 30
"""The database lets nobody remove younger rows (migration 0006)."""
BATCH: Final = 1000
_LOCK: Final = 7_205_759_404
"""An advisory lock of PostgreSQL: whoever holds it cuts. Two at once could put an older mark over a newer one."""


def remove_older_than(days: int) -> int:
    """Remove the chained rows that are older, oldest first; returns how many.

    Stops before the first row that is younger, whatever follows it: the chain is cut at one place only. Does nothing
    where rows are missing already, which `verify` tells.
    """
    if days < FEWEST_DAYS:
        raise ValueError(f"The audit trail is kept for at least {FEWEST_DAYS} days.")
    total = 0
    while removed := _remove_batch(timedelta(days=days)):
        total += removed
    return total


@transaction.atomic(durable=True)
def _remove_batch(age: timedelta) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    leaving = _leaving(age)
    if not leaving or leaving[0].number != _number_of_the_cut() + 1:
        return 0
    last = leaving[-1]
    chain.cut(number=last.number or 0, seal=last.seal)
    removed, _ = AuditEvent.objects.filter(number__lte=last.number).delete()
    return removed


def _leaving(age: timedelta) -> list[AuditEvent]:
    """The rows at the beginning that are older, up to the first that is not."""
    rows = AuditEvent.objects.exclude(number=None).order_by("number").only("number", "at", "seal")[:BATCH]
    oldest = list(rows)
    old = set(AuditEvent.objects.filter(pk__in=[each.pk for each in oldest], at__lt=Now() - age).values_list("pk"))
    end = next((place for place, each in enumerate(oldest) if (each.pk,) not in old), len(oldest))
    return oldest[:end]


def _number_of_the_cut() -> int:
    marks = AuditMark.objects.filter(kind=AuditMark.Kind.CUT).values_list("number", flat=True)
    return marks.first() or 0
