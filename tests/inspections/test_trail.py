"""The audit trail: its chain and its guard, sound and not; and what nobody can see."""

import pytest
from django.db import connection

from accounts import audit
from accounts.models.audit_event import Outcome
from tests.inspections.looking import grade_of, look
from tests.makers import make_user


@pytest.mark.django_db(transaction=True)
@pytest.mark.security
def test_a_changed_row_of_the_audit_trail_is_found() -> None:
    audit.record("door.made", Outcome.DONE, actor=make_user())
    # The tests' own connection lifts this one to empty tables between them.
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_events ENABLE TRIGGER audit_events_no_truncate")
    try:
        assert {grade_of("audit.chain"), grade_of("audit.guard")} == {"ok"}
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_events DISABLE TRIGGER audit_events_guard")
            cursor.execute("UPDATE audit_events SET actor_name = 'somebody else'")
        assert grade_of("audit.guard") == "critical"
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_events ENABLE TRIGGER audit_events_guard")
        result = look("audit.chain")
        assert (result.grade, "changed" in result.facts["codes"]) == ("critical", True)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_events ENABLE TRIGGER audit_events_guard")
            cursor.execute("ALTER TABLE audit_events DISABLE TRIGGER audit_events_no_truncate")


def test_backups_are_never_called_good() -> None:
    assert grade_of("backups.made") == "info"
