"""What operators run: verify, export, prune and resume."""

import io
import json
import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts import audit, jobs
from accounts.audit import chain, keys, verifying
from accounts.models import AuditEvent
from accounts.models.audit_event import Outcome
from personalq.embedded.env_file import make_secret
from tests.accounts.audit.forging import as_superuser, make_older, write
from tests.makers import make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security, pytest.mark.usefixtures("guarded")]


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def failing(*arguments: str) -> tuple[str, str]:
    out = io.StringIO()
    with pytest.raises(CommandError) as raised:
        call_command(*arguments, stdout=out, stderr=io.StringIO())
    assert raised.value.returncode == 1
    return out.getvalue(), str(raised.value)


def lines(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("export_audit", *arguments).splitlines()]


class TestVerifying:
    def test_sound_trail_is_told_with_a_witness(self) -> None:
        last = write("one.1", "two.2")[-1]
        last.refresh_from_db()
        said = run("verify_audit")
        assert said.startswith("2 rows, numbers 1 to 2, 0 not chained yet.\nSound: ")
        assert said.endswith(f"Witness: 2:{last.seal}\n")

    def test_empty_trail_is_sound(self) -> None:
        assert json.loads(run("verify_audit", "--format", "json"))["is_sound"] is True

    def test_fault_ends_with_status_1_and_is_named(self) -> None:
        write("one.1", "two.2")
        with as_superuser() as cursor:
            cursor.execute("UPDATE audit_events SET outcome = 'failed' WHERE number = 2")
        said, error = failing("verify_audit")
        assert "changed: Row 2 is not what was written there" in said
        assert "Sound" not in said
        assert error.startswith("The audit trail is not sound: 1 faults.")

    def test_json_holds_everything(self) -> None:
        write("one.1", "two.2")
        with as_superuser() as cursor:
            cursor.execute("DELETE FROM audit_events WHERE number = 1")
        said, _ = failing("verify_audit", "--format", "json")
        found = json.loads(said)
        assert (found["is_sound"], found["rows"], found["first"], found["last"]) == (False, 1, 2, 2)
        assert [fault["code"] for fault in found["faults"]] == ["removed", "changed"]
        assert found["witness"] == f"2:{AuditEvent.objects.get().seal}"

    def test_many_faults_are_counted_and_the_first_ones_named(self) -> None:
        write(*["some.deed"] * 30)
        with as_superuser() as cursor:
            cursor.execute("UPDATE audit_events SET outcome = 'failed'")
        said, error = failing("verify_audit")
        assert "… and 10 more." in said
        assert "30 faults" in error

    def test_witness_is_compared(self) -> None:
        write("one.1")
        told = run("verify_audit").split("Witness: ")[1].strip()
        write("two.2")
        assert "Sound" in run("verify_audit", "--witness", told)
        said, _ = failing("verify_audit", "--witness", f"1:{'0' * 64}")
        assert "witness_differs" in said

    @pytest.mark.parametrize("witness", ["", "1", "1:abc", f"x:{'0' * 64}", f"1:{'0' * 64};"])
    def test_witness_that_is_none_is_refused(self, witness: str) -> None:
        _, error = failing("verify_audit", "--witness", witness)
        assert "--witness takes a number and a seal" in error

    def test_guard_that_is_missing_is_told(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_events DISABLE TRIGGER audit_events_guard")
        try:
            said, _ = failing("verify_audit")
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE audit_events ENABLE TRIGGER audit_events_guard")
        assert "guard_missing: The trigger audit_events_guard on audit_events is disabled" in said


class TestExporting:
    def test_each_line_carries_number_and_seal_and_is_enough_to_verify_it(self) -> None:
        write("one.1", "two.2")
        found = lines()
        assert [(row["number"], row["kind"]) for row in found] == [(1, "one.1"), (2, "two.2"), (3, "audit.exported")]
        event = AuditEvent.objects.get(number=2)
        key = keys.keys()[found[1]["key_id"]]
        assert found[1]["seal"] == chain.seal_of(event, number=2, before=found[0]["seal"], key=key)
        assert set(found[1]) == {field.attname for field in AuditEvent._meta.fields}

    def test_export_is_an_act_that_names_what_was_asked_for(self) -> None:
        run("export_audit", "--kind", "sign_in.done", "--since", "2026-01-01")
        event = AuditEvent.objects.get(kind="audit.exported")
        assert event.facts["of_kind"] == "sign_in.done"
        assert event.facts["since"] == "2026-01-01 00:00:00+00:00"

    def test_kind_owner_and_times_choose(self) -> None:
        alice, bob = make_user("alice"), make_user("bob")
        audit.record("one.1", Outcome.DONE, actor=alice)
        audit.record("two.2", Outcome.DONE, actor=bob, owner=alice)
        audit.record("two.2", Outcome.DONE, actor=bob)
        assert [row["kind"] for row in lines("--owner", "alice")][:2] == ["one.1", "two.2"]
        assert [row["actor_name"] for row in lines("--kind", "two.2")] == ["bob", "bob"]
        soon = (timezone.now() + timedelta(days=1)).isoformat()
        assert lines("--since", soon) == []
        assert len(lines("--until", soon)) >= 3

    @pytest.mark.parametrize(
        ("kind", "said"), [("one.1", "1 row.\n"), ("no.such", "0 rows. docs/audit.md lists the kinds.\n")]
    )
    def test_says_how_many_rows(self, kind: str, said: str) -> None:
        write("one.1")
        error = io.StringIO()
        call_command("export_audit", "--kind", kind, stdout=io.StringIO(), stderr=error)
        assert error.getvalue() == said

    def test_file_is_new_and_private(self, tmp_path: Path) -> None:
        write("one.1")
        path = tmp_path / "audit.jsonl"
        before = os.umask(0)
        try:
            assert run("export_audit", "--output", str(path)) == ""
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert len(path.read_text().splitlines()) == 2
        _, error = failing("export_audit", "--output", str(path))
        assert "cannot be made: File exists" in error

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--since", "yesterday"], "--since takes a day"),
            (["--until", "2026-02-31"], "--until takes a day"),
            (["--owner", "nobody"], "There is no user nobody"),
            (["--kind", "nonsense"], "docs/audit.md lists the kinds"),
        ],
    )
    def test_what_cannot_be_understood_is_refused(self, arguments: list[str], said: str) -> None:
        assert said in failing("export_audit", *arguments)[1]


class TestPruning:
    def test_setting_says_how_old(self, settings: Settings) -> None:
        write("one.1", "two.2", "three.3")
        make_older(2, 401)
        assert run("prune_audit").startswith("2 rows removed. Witness: 4:")
        assert AuditEvent.objects.get(kind="audit.pruned").facts == {"rows": 2, "days": 400}
        assert verifying.verify().is_sound

    def test_zero_keeps_for_ever(self, settings: Settings) -> None:
        settings.PERSONALQ_AUDIT_DAYS = 0
        write("one.1")
        make_older(1, 4000)
        assert "kept for ever" in run("prune_audit")
        jobs.prune_audit()
        assert AuditEvent.objects.count() == 1

    def test_fewer_than_30_days_are_refused(self) -> None:
        assert "at least 30 days" in failing("prune_audit", "--days", "29")[1]

    def test_default_is_400_days(self) -> None:
        assert django_settings.PERSONALQ_AUDIT_DAYS == 400

    def test_job_prunes_and_tells_a_witness(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO", "personalq.accounts")
        write("one.1", "two.2")
        make_older(1, 401)
        jobs.prune_audit()
        newest = AuditEvent.objects.get(kind="audit.pruned")
        assert caplog.messages == [f"Audit trail: witness 3:{newest.seal}, 1 old rows removed."]


def test_job_chains_what_its_writer_could_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(chain, "extend", lambda: 0)
        write("one.1")
    assert AuditEvent.objects.get().number is None
    jobs.chain_audit()
    assert AuditEvent.objects.get().number == 1


@pytest.mark.parametrize("job", ["accounts.jobs.chain_audit", "accounts.jobs.prune_audit"])
def test_jobs_are_on_the_clock(job: str) -> None:
    assert job in {entry["task"] for entry in django_settings.CELERY_BEAT_SCHEDULE.values()}


class TestResuming:
    def test_sound_trail_is_not_resumed(self) -> None:
        write("one.1")
        assert "nothing to resume" in failing("resume_audit", "--reason", "because")[1]

    def test_lost_keys_stop_the_chain_until_an_operator_says_so(self, settings: Settings) -> None:
        write("one.1")
        settings.PERSONALQ_AUDIT_KEYS = [make_secret()]
        write("two.2")
        assert AuditEvent.objects.get(kind="two.2").number is None
        assert run("resume_audit", "--reason", "the keys were lost") == (
            "The audit trail goes on after row 1. The row audit.resumed says why.\n"
        )
        told = AuditEvent.objects.get(kind="audit.resumed")
        assert told.number == 3
        assert told.facts["reason"] == "the keys were lost"
        assert {"head_forged", "key_missing"} <= set(told.facts["faults"])
        said, _ = failing("verify_audit", "--format", "json")
        assert "key_missing" in said
        assert "head_forged" not in said
