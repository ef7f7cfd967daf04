"""Removing old rows of the audit trail from its beginning, so that what is left can still be verified."""

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models.functions import Now

from accounts.audit import chain
from accounts.models import AuditEvent, AuditMark

FEWEST_DAYS: Final = 30
"""The database lets nobody remove younger rows (migration 0006)."""
BATCH: Final = 1000


def remove_older_than(days: int) -> int:
    """Remove the chained rows that are older, oldest first; returns how many.

    Stops before the first row that is younger, whatever follows it: the chain is cut at one place only.
    """
    if days < FEWEST_DAYS:
        raise ValueError(f"The audit trail is kept for at least {FEWEST_DAYS} days.")
    total = 0
    while removed := _remove_batch(timedelta(days=days)):
        total += removed
    return total


@transaction.atomic
def _remove_batch(age: timedelta) -> int:
    # Held first by everybody who cuts: the mark and what stands after it belong together.
    cut = AuditMark.objects.select_for_update().filter(kind=AuditMark.Kind.CUT).first()
    oldest = list(AuditEvent.objects.exclude(number=None).order_by("number").only("number", "at", "seal")[:BATCH])
    old_ids = set(
        AuditEvent.objects.filter(pk__in=[each.pk for each in oldest], at__lt=Now() - age).values_list("pk", flat=True)
    )
    leaving: list[AuditEvent] = []
    for each in oldest:
        if each.pk not in old_ids:
            break
        leaving.append(each)
    if not leaving or (cut is not None and leaving[0].number != cut.number + 1):
        return 0
    chain.set_mark(AuditMark.Kind.CUT, number=leaving[-1].number or 0, seal=leaving[-1].seal)
    AuditEvent.objects.filter(number__lte=leaving[-1].number).delete()
    return len(leaving)
