"""The audit trail: the product's own role cannot change it, and what a superuser changes is found."""

import pytest
from django.db import connection, transaction
from django.db.utils import Error
from pytest_django import Settings

from accounts import audit
from accounts.audit import chain, guards, keys, retention, verifying
from accounts.models import AuditEvent, AuditMark
from accounts.models.audit_event import Outcome
from personalq.embedded.env_file import make_secret
from tests.accounts.audit.forging import FORGED, as_superuser, codes, make_older, write
from tests.concurrency.racing import failures, race

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security, pytest.mark.usefixtures("guarded")]


def test_rows_are_chained_as_soon_as_they_are_committed() -> None:
    write("a.b", "c.d", "e.f")
    found = list(AuditEvent.objects.order_by("number"))
    assert [event.number for event in found] == [1, 2, 3]
    before = chain.BEGINNING
    for event in found:
        assert event.seal == chain.seal_of(
            event, number=event.number or 0, before=before, key=keys.keys()[event.key_id]
        )
        before = event.seal
    verdict = verifying.verify()
    assert (verdict.is_sound, verdict.rows, verdict.last, verdict.seal) == (True, 3, 3, before)


def test_row_that_is_rolled_back_leaves_nothing_in_the_chain() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        write("gone.one")
        raise ZeroDivisionError
    write("here.one")
    assert verifying.verify().rows == 1


def test_transaction_that_writes_holds_up_no_other_one() -> None:
    with transaction.atomic():
        write("slow.one")
        assert failures(race(lambda: write("fast.one"))) == []
    assert list(AuditEvent.objects.order_by("number").values_list("kind", flat=True)) == ["fast.one", "slow.one"]
    assert verifying.verify().is_sound


def test_many_who_write_at_once_make_one_chain(caplog: pytest.LogCaptureFixture) -> None:
    assert failures(race(*[lambda: write(*["some.deed"] * 25)] * 8)) == []
    verdict = verifying.verify()
    assert (verdict.is_sound, verdict.rows, verdict.waiting) == (True, 200, 0)
    # Whoever took a place that was taken would have said that the chain is broken.
    assert [record.message for record in caplog.records if record.name == "accounts.audit.chain"] == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET kind = 'other.one'",
        "UPDATE audit_events SET at = at - interval '1 second'",
        "UPDATE audit_events SET seal = repeat('0', 64)",
        "UPDATE audit_events SET number = NULL, seal = '', key_id = ''",
        "DELETE FROM audit_events",
    ],
)
def test_database_refuses_every_change(statement: str) -> None:
    write("a.b")
    with pytest.raises(Error, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert verifying.verify().is_sound


def test_database_refuses_to_empty_the_table() -> None:
    with pytest.raises(Error, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE audit_events")


def test_database_refuses_rows_with_a_place_and_sets_the_time_itself() -> None:
    with pytest.raises(Error, match="chained after"):
        AuditEvent.objects.create(kind="a.b", outcome=Outcome.DONE, number=7, seal="0" * 64, key_id="0" * 16)
    made = AuditEvent.objects.create(kind="a.b", outcome=Outcome.DONE, at="2001-01-01T00:00:00Z")
    made.refresh_from_db()
    assert made.at.year > 2001


class TestWhatASuperuserDid:
    @pytest.fixture(autouse=True)
    def five(self) -> None:
        write("one.1", "two.2", "three.3", "four.4", "five.5")

    @pytest.mark.parametrize(
        ("statement", "found"),
        [
            ("UPDATE audit_events SET outcome = 'failed' WHERE number = 3", ["changed"]),
            ("UPDATE audit_events SET address = '192.0.2.1' WHERE number = 3", ["changed"]),
            ("UPDATE audit_events SET facts = '{}' WHERE number = 1", ["changed"]),
            ("UPDATE audit_events SET at = at + interval '1 microsecond' WHERE number = 5", ["changed"]),
            ("DELETE FROM audit_events WHERE number = 3", ["removed", "changed"]),
            ("DELETE FROM audit_events WHERE number <= 2", ["removed", "changed"]),
            ("DELETE FROM audit_events WHERE number = 5", ["end_removed"]),
            ("DELETE FROM audit_events", ["end_removed"]),
            ("DELETE FROM audit_marks", ["head_missing"]),
            ("UPDATE audit_marks SET number = 4 WHERE kind = 'head'", ["head_forged"]),
            (
                "UPDATE audit_events SET kind = 'x.y', seal = md5('a') || md5('b') WHERE number = 5",
                ["changed", "end_removed"],
            ),
        ],
    )
    def test_is_found(self, statement: str, found: list[str]) -> None:
        with as_superuser() as cursor:
            cursor.execute(statement)
        assert codes() == found

    def test_rows_that_change_places_are_found(self) -> None:
        with as_superuser() as cursor:
            cursor.execute("UPDATE audit_events SET number = number + 100 WHERE number IN (2, 3)")
            cursor.execute("UPDATE audit_events SET number = 105 - number WHERE number > 100")
        assert codes() == ["changed", "changed", "changed"]

    def test_row_that_is_put_in_between_is_found(self) -> None:
        with as_superuser() as cursor:
            cursor.execute("UPDATE audit_events SET number = number + 101 WHERE number >= 3")
            cursor.execute("UPDATE audit_events SET number = number - 100 WHERE number > 100")
            cursor.execute(FORGED, [3])
        assert codes() == ["changed", "changed", "changed", "changed", "end_removed"]

    def test_end_that_is_cut_with_an_older_mark_is_found_by_a_witness(self) -> None:
        old = AuditMark.objects.get(kind=AuditMark.Kind.HEAD)
        write("six.6")
        told = verifying.verify()
        with as_superuser() as cursor:
            cursor.execute("DELETE FROM audit_events WHERE number = 6")
            cursor.execute(
                "UPDATE audit_marks SET number = %s, seal = %s, at = %s, mac = %s",
                [old.number, old.seal, old.at, old.mac],
            )
        assert verifying.verify().is_sound
        verdict = verifying.verify(witness=(told.last, told.seal))
        assert [fault.code for fault in verdict.faults] == ["witness_differs"]

    def test_row_that_is_written_past_the_chain_is_found(self) -> None:
        with as_superuser() as cursor:
            cursor.execute(FORGED, [6])
        assert codes() == ["changed", "end_removed"]

    def test_row_that_the_product_chained_in_good_faith_is_found(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO audit_events (kind, outcome, actor_name, object_kind, address, request_id, facts, seal,"
                " key_id, origin) SELECT 'false.one', outcome, actor_name, object_kind, address, request_id, facts, '',"
                " '', origin FROM audit_events WHERE number = 2"
            )
        verdict = verifying.verify()
        assert (verdict.last, [(fault.number, fault.code) for fault in verdict.faults]) == (6, [(6, "inserted")])

    def test_row_cannot_be_written_twice(self) -> None:
        with pytest.raises(Error, match="uuid"), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO audit_events (uuid, kind, outcome, actor_name, object_kind, address, request_id, facts,"
                " seal, key_id, origin) SELECT uuid, kind, outcome, actor_name, object_kind, address, request_id,"
                " facts, '', '', origin FROM audit_events WHERE number = 2"
            )

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM audit_marks",
            "UPDATE audit_marks SET mac = repeat('0', 64)",
            "UPDATE audit_marks SET key_id = repeat('0', 16)",
        ],
    )
    def test_chain_whose_end_is_unknown_is_not_mended_by_going_on(
        self, statement: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(chain._told_at, "broken", float("-inf"))
        with as_superuser() as cursor:
            cursor.execute("DELETE FROM audit_events WHERE number > 3")
            cursor.execute(statement)
        write("six.6", "seven.7")
        verdict = verifying.verify()
        assert (verdict.last, verdict.waiting, verdict.fault_count) == (3, 2, 1)
        assert [record.message for record in caplog.records] == [
            "The audit trail cannot be chained on: run `manage.py verify_audit`, which says why."
        ]

    def test_operator_can_let_it_go_on(self) -> None:
        with as_superuser() as cursor:
            cursor.execute("DELETE FROM audit_events WHERE number > 3")
            cursor.execute("DELETE FROM audit_marks")
        write("six.6")
        assert chain.resume() == 3
        verdict = verifying.verify()
        assert (verdict.is_sound, verdict.last, verdict.waiting) == (True, 4, 0)


def test_key_can_be_changed_and_old_rows_still_verify(settings: Settings) -> None:
    write("old.key")
    settings.PERSONALQ_AUDIT_KEYS = [make_secret(), *settings.PERSONALQ_AUDIT_KEYS]
    write("new.key")
    assert verifying.verify().is_sound
    settings.PERSONALQ_AUDIT_KEYS = settings.PERSONALQ_AUDIT_KEYS[:1]
    assert codes() == ["key_missing"]


class TestRetention:
    @pytest.fixture(autouse=True)
    def four(self) -> None:
        write("one.1", "two.2", "three.3", "four.4")

    def test_old_rows_go_and_the_rest_still_verifies(self) -> None:
        make_older(2, 400)
        assert retention.remove_older_than(365) == 2
        verdict = verifying.verify()
        assert (verdict.is_sound, verdict.first, verdict.last, verdict.rows) == (True, 3, 4, 2)

    def test_everything_may_go_and_the_chain_goes_on(self) -> None:
        make_older(4, 400)
        assert retention.remove_older_than(365) == 4
        write("five.5")
        verdict = verifying.verify()
        assert (verdict.is_sound, verdict.first, verdict.last) == (True, 5, 5)

    def test_nothing_young_goes(self) -> None:
        assert retention.remove_older_than(30) == 0
        with pytest.raises(ValueError, match="30 days"):
            retention.remove_older_than(29)

    def test_database_keeps_young_rows_also_behind_a_mark(self) -> None:
        chain.cut(number=4, seal="0" * 64)
        with pytest.raises(Error, match="append-only"), transaction.atomic():
            AuditEvent.objects.all().delete()

    def test_table_of_the_session_does_not_stand_in_for_the_mark(self) -> None:
        make_older(4, 400)
        with pytest.raises(Error, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "CREATE TEMPORARY TABLE audit_marks ON COMMIT DROP AS SELECT 'cut' AS kind, 4::bigint AS number"
            )
            cursor.execute("DELETE FROM audit_events")

    def test_forged_cut_is_found(self) -> None:
        make_older(2, 400)
        retention.remove_older_than(365)
        with as_superuser() as cursor:
            cursor.execute("DELETE FROM audit_events WHERE number = 3")
            cursor.execute("UPDATE audit_marks SET number = 3 WHERE kind = 'cut'")
        assert codes()[0] == "cut_forged"

    def test_two_who_cut_at_once_never_put_an_older_mark_over_a_newer_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "BATCH", 7)
        write(*["some.deed"] * 60)
        make_older(60, 400)
        assert failures(race(*[lambda: retention.remove_older_than(365)] * 4)) == []
        verdict = verifying.verify()
        assert (verdict.is_sound, verdict.first, verdict.rows) == (True, 61, 4)


class TestGuards:
    def test_all_are_in_force(self) -> None:
        assert guards.faults() == []

    @pytest.mark.parametrize(
        ("statement", "undo", "found"),
        [
            (
                "ALTER TABLE audit_events DISABLE TRIGGER audit_events_guard",
                "ALTER TABLE audit_events ENABLE TRIGGER audit_events_guard",
                "audit_events_guard on audit_events is disabled",
            ),
            (
                "ALTER TABLE audit_events ENABLE REPLICA TRIGGER audit_events_guard",
                "ALTER TABLE audit_events ENABLE TRIGGER audit_events_guard",
                "audit_events_guard on audit_events is disabled",
            ),
            (
                "ALTER TRIGGER audit_events_no_truncate ON audit_events RENAME TO other",
                "ALTER TRIGGER other ON audit_events RENAME TO audit_events_no_truncate",
                "audit_events_no_truncate on audit_events is missing",
            ),
            (
                "ALTER FUNCTION audit_events_guard() RENAME TO other",
                "ALTER FUNCTION other() RENAME TO audit_events_guard",
                "function audit_events_guard is missing or another one",
            ),
            (
                "ALTER FUNCTION audit_events_guard() RESET search_path",
                "ALTER FUNCTION audit_events_guard() SET search_path = pg_catalog",
                "function audit_events_guard is missing or another one",
            ),
            ("SET session_replication_role = replica", "RESET session_replication_role", "triggers do not act"),
        ],
    )
    def test_each_that_is_out_of_force_is_named(self, statement: str, undo: str, found: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            try:
                verdict = verifying.verify()
            finally:
                cursor.execute(undo)
        (fault,) = verdict.faults
        assert (fault.code, found in fault.sentence) == ("guard_missing", True)

    def test_function_of_the_same_name_that_lets_all_pass_is_found(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "CREATE OR REPLACE FUNCTION audit_events_guard() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RETURN NEW; END $$"
            )
            assert guards.faults() == [
                "The function audit_events_guard is missing or another one than the product made."
            ]
            transaction.set_rollback(True)


class TestFacts:
    def test_whatever_the_facts_are_the_row_verifies(self) -> None:
        audit.record(
            "odd.facts",
            Outcome.DONE,
            nul="a\x00b",
            surrogate="\ud800",
            long="x" * 5000,
            number=1e20,
            deep={"a": {"b": {"c": {"d": {"e": "f"}}}}},
            many=list(range(500)),
            words={"set"},
            flag=True,
            nothing=None,
            big=10**30,
        )
        event = AuditEvent.objects.get()
        assert len(event.facts["long"]) == 500
        assert len(event.facts["many"]) == 50
        assert (event.facts["nul"], event.facts["surrogate"], event.facts["words"]) == ("a\ufffdb", "?", ["set"])
        assert verifying.verify().is_sound
