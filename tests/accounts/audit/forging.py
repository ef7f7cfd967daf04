"""What somebody does to the audit trail for whom the database's guards do not hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from accounts import audit
from accounts.audit import chain, verifying
from accounts.models import AuditEvent
from accounts.models.audit_event import Outcome

FORGED = (
    "INSERT INTO audit_events (kind, outcome, actor_name, object_kind, address, request_id, facts, number, seal,"
    " key_id, origin) SELECT 'false.one', 'done', '', '', '', '', '{}', %s, seal, key_id, origin FROM audit_events"
    " WHERE number = 2"
)
"""A row at a place that is free, with hashes of another one."""


def write(*kinds: str) -> list[AuditEvent]:
    return [audit.record(kind, Outcome.DONE, number_of=kind) for kind in kinds]


@contextmanager
def as_superuser() -> Iterator[Any]:
    """SQL of somebody for whom the table's own guards do not hold."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield cursor


def make_older(number: int, days: int) -> None:
    """Make rows up to a number old, and the chain anew as it would have been then."""
    with as_superuser() as cursor:
        cursor.execute("UPDATE audit_events SET at = at - %s * interval '1 day' WHERE number <= %s", [days, number])
        cursor.execute("UPDATE audit_events SET number = NULL, seal = '', key_id = ''")
        cursor.execute("DELETE FROM audit_marks")
    chain.extend_fully()


def codes() -> list[str]:
    return [fault.code for fault in verifying.verify().faults]
