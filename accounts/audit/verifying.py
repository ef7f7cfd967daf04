"""Whether the audit trail is what was written: nothing changed, removed, inserted or put elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils.crypto import constant_time_compare

from accounts.audit import chain, guards
from accounts.audit.keys import is_of_the_product, keys
from accounts.models import AuditEvent, AuditMark

MOST_NAMED: Final = 20
PATIENCE: Final = timedelta(minutes=1)
"""How long a row may wait to be chained; the sweep does it every few seconds."""
ROWS_AT_A_TIME: Final = 2000


@dataclass(frozen=True)
class Fault:
    """Something that must not be. `number` is a place in the chain, 0 where there is none."""

    number: int
    code: str
    sentence: str


@dataclass
class Verdict:
    """What was found. The first `MOST_NAMED` faults are named, all are counted."""

    rows: int = 0
    first: int = 0
    last: int = 0
    seal: str = chain.BEGINNING
    waiting: int = 0
    fault_count: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return self.fault_count == 0

    @property
    def witness(self) -> str:
        """The newest row's number and seal. Kept elsewhere, they show later whether it is still there."""
        return f"{self.last}:{self.seal}"

    def add(self, number: int, code: str, sentence: str) -> None:
        self.fault_count += 1
        if len(self.faults) < MOST_NAMED:
            self.faults.append(Fault(number, code, sentence))


def verify(*, witness: tuple[int, str] | None = None) -> Verdict:
    """Read the whole chain in one snapshot and compare every hash; then look at the database's guards.

    Args:
        witness: A number and its seal, as an earlier run or a log told them. What was cut off together with the mark
            of the newest row is found by nothing else.
    """
    chain.extend_fully(wait=True)
    verdict = Verdict()
    with transaction.atomic(durable=True):
        _begin_snapshot()
        _follow(verdict, _cut(verdict))
        _compare_head(verdict)
        _look_at_unchained(verdict)
        if witness is not None:
            _compare_witness(verdict, *witness)
        for sentence in guards.faults():
            verdict.add(0, "guard_missing", sentence)
    return verdict


def newest() -> str:
    """The witness of now, without verifying anything."""
    mark = AuditMark.objects.filter(kind=AuditMark.Kind.HEAD).first()
    return f"{mark.number}:{mark.seal}" if mark else f"0:{chain.BEGINNING}"


def _begin_snapshot() -> None:
    # All that is read belongs together: rows that are chained meanwhile are not half seen.
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def _cut(verdict: Verdict) -> tuple[int, str]:
    """The place and the seal after which the chain begins."""
    mark = AuditMark.objects.filter(kind=AuditMark.Kind.CUT).first()
    if mark is None:
        return 0, chain.BEGINNING
    if not chain.is_genuine(mark):
        verdict.add(mark.number, "cut_forged", "The mark of where old rows were removed was changed.")
    return mark.number, mark.seal


def _follow(verdict: Verdict, beginning: tuple[int, str]) -> None:
    number, before = beginning
    verdict.last, verdict.seal = number, before
    for event in _chained():
        number += 1
        if event.number != number:
            _say_missing(verdict, number, event.number or 0)
            number = event.number or 0
        _compare(verdict, event, before)
        before = event.seal
        verdict.rows += 1
        verdict.first = verdict.first or number
        verdict.last, verdict.seal = number, before


def _chained() -> Iterator[AuditEvent]:
    return AuditEvent.objects.exclude(number=None).order_by("number").iterator(chunk_size=ROWS_AT_A_TIME)


def _say_missing(verdict: Verdict, expected: int, found: int) -> None:
    if found > expected:
        gone = (
            f"Row {expected} is missing." if found == expected + 1 else f"Rows {expected} to {found - 1} are missing."
        )
        verdict.add(expected, "removed", gone)
    else:
        verdict.add(found, "inserted", f"Row {found} stands where old rows were removed.")


def _compare(verdict: Verdict, event: AuditEvent, before: str) -> None:
    number = event.number or 0
    key = keys().get(event.key_id)
    if key is None:
        verdict.add(number, "key_missing", f"Row {number} was chained with a key that is not in PERSONALQ_AUDIT_KEYS.")
    elif not constant_time_compare(chain.seal_of(event, number=number, before=before, key=key), event.seal):
        verdict.add(number, "changed", f"Row {number} is not what was written there after the row before it.")
    elif not is_of_the_product(event):
        # Chained in good faith: the product chains whatever it finds.
        verdict.add(number, "inserted", f"Row {number} was not written by the product.")


def _compare_head(verdict: Verdict) -> None:
    mark = AuditMark.objects.filter(kind=AuditMark.Kind.HEAD).first()
    if mark is None:
        if verdict.last:
            verdict.add(verdict.last, "head_missing", "The mark of the newest row is missing.")
    elif not chain.is_genuine(mark):
        verdict.add(mark.number, "head_forged", "The mark of the newest row was changed, or its key is missing.")
    elif (mark.number, mark.seal) != (verdict.last, verdict.seal):
        verdict.add(mark.number, "end_removed", f"The chain reached row {mark.number} and now ends at {verdict.last}.")


def _look_at_unchained(verdict: Verdict) -> None:
    waiting = AuditEvent.objects.filter(number=None)
    verdict.waiting = waiting.count()
    late = waiting.filter(at__lt=Now() - PATIENCE).count()
    if late:
        verdict.add(
            0, "unchained", f"{late} rows stand outside of the chain for over a minute: written past it, or late."
        )


def _compare_witness(verdict: Verdict, number: int, seal: str) -> None:
    cut = AuditMark.objects.filter(kind=AuditMark.Kind.CUT).first()
    if number <= 0 or (cut and number < cut.number):
        return
    if cut and number == cut.number:
        found: str | None = cut.seal
    else:
        found = AuditEvent.objects.filter(number=number).values_list("seal", flat=True).first()
    if found is None or not constant_time_compare(found, seal):
        verdict.add(number, "witness_differs", f"Row {number} is not the one that was told of before.")
