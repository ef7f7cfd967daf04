"""Many who write, verify and remove at once, and those who die in the middle, leave one chain that is sound."""

import os
import signal
import subprocess
import sys

import pytest
from django.db import connection

from accounts import jobs
from accounts.audit import retention, verifying
from accounts.models import AuditEvent
from personalq.embedded.layout import REPOSITORY
from tests.accounts.audit.forging import make_older, write
from tests.concurrency.racing import failures, race

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security, pytest.mark.usefixtures("guarded")]

DIES_BEFORE_CHAINING = """
import os, signal
import django
django.setup()
from accounts.audit import chain, record
from accounts.models.audit_event import Outcome
chain.extend = lambda: os.kill(os.getpid(), signal.SIGKILL)
record("sign_in.done", Outcome.DONE)
"""


def write_many() -> int:
    return sum(len(write("some.deed")) for _ in range(40))


def verify_often() -> list[str]:
    return [fault.code for _ in range(8) for fault in verifying.verify().faults]


def remove_often() -> int:
    return sum(retention.remove_older_than(30) for _ in range(10))


def test_writing_removing_and_verifying_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    write(*["old.deed"] * 60)
    make_older(60, 400)
    results = race(*[write_many] * 4, *[verify_often] * 2, *[remove_often] * 2)
    assert failures(results) == []
    assert results[4:6] == [[], []]
    assert results[6] + results[7] == 60
    verdict = verifying.verify()
    assert (verdict.is_sound, verdict.first, verdict.last, verdict.rows) == (True, 61, 220, 160)


def test_row_of_a_process_that_was_killed_right_after_the_commit_is_chained() -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.realtime.sockets.served_settings",
        "TEST_DATABASE_NAME": str(connection.settings_dict["NAME"]),
    }
    killed = subprocess.run(
        [sys.executable, "-c", DIES_BEFORE_CHAINING],
        cwd=REPOSITORY,
        env=environment,
        check=False,
        timeout=120,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert AuditEvent.objects.get().number is None
    jobs.chain_audit()
    assert AuditEvent.objects.get().number == 1
    assert verifying.verify().is_sound
