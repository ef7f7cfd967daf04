"""PostgreSQL itself ends what waits or idles for too long; nobody meets that as an error of ours."""

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import InternalError, connection, transaction
from django.db.models.signals import pre_migrate

from personalq.embedded.layout import REPOSITORY
from personalq.lib import database_guards
from personalq.lib.translation import app_error_from
from tasks import events
from tasks.database_threads import DatabaseThreads
from tasks.lifecycle import rows
from tasks.models import Agent, Task
from tasks.states import Status
from tests.concurrency.racing import race
from tests.makers import kinds, make_agent, make_task, make_user
from tests.realtime.sockets.serving import WebProcess, wait_for
from tests.realtime.sockets.talking import token_of
from tests.tasks.api.client import Api

pytestmark = pytest.mark.django_db(transaction=True)

LIMITS = {"statement_timeout": "30s", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "15s"}


@pytest.fixture
def agent() -> Agent:
    return make_agent(make_user())


@pytest.fixture
def task(agent: Agent) -> Task:
    return make_task(agent, title="as it was")


def limits() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)", [list(LIMITS)])
        return dict(cursor.fetchall())


class TestConnections:
    def test_each_of_the_pool_has_the_limits(self) -> None:
        assert race(*[limits] * 6) == [LIMITS] * 6

    def test_what_a_transaction_sets_for_itself_goes_with_it(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '1s'")
            assert limits()["lock_timeout"] == "1s"
        connection.close()
        assert race(*[limits] * 6) == [LIMITS] * 6

    def test_option_of_an_operators_own_address_wins(self) -> None:
        told = database_guards.as_options(
            statement_seconds=1, lock_seconds=2, idle_in_transaction_seconds=3, others="-c lock_timeout=7s"
        )
        assert told == (
            "-c statement_timeout=1s -c lock_timeout=2s -c idle_in_transaction_session_timeout=3s -c lock_timeout=7s"
        )

    def test_migration_may_take_long_but_not_wait_for_locks(self) -> None:
        seen = []

        def look(**_: Any) -> None:
            seen.append(limits())

        # Receivers are called in the order in which they came, so this one comes after ours.
        ours = apps.get_app_config("tasks")
        pre_migrate.connect(look, sender=ours)
        try:
            call_command("migrate", verbosity=0)
        finally:
            pre_migrate.disconnect(look, sender=ours)
        assert seen == [{**LIMITS, "statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}]
        assert limits() == LIMITS


@contextmanager
def locked(task: Task) -> Iterator[None]:
    """Hold the row of a task."""
    with transaction.atomic():
        rows.lock(task)
        yield


class TestLocks:
    @pytest.mark.parametrize("limit", ["PERSONALQ_LOCK_TIMEOUT_SECONDS", "PERSONALQ_STATEMENT_TIMEOUT_SECONDS"])
    def test_request_that_waits_for_too_long_is_told_to_come_again(
        self, limit: str, task: Task, tmp_path: Path
    ) -> None:
        shorter: Any = {limit: "1"}
        assert task.owner is not None
        token = token_of(task.owner)
        with WebProcess(tmp_path, **shorter) as web:
            # The first request loads everything.
            assert cancel(web, task, "none")[0] == 401
            with locked(task):
                began = time.monotonic()
                status, retry_after, body = cancel(web, task, token)
                assert time.monotonic() - began < 5
            assert (status, body["code"], retry_after) == (503, "unavailable", "5")
            assert "urn:personalq:problem:unavailable" in body["type"]
            assert (state_of(task), kinds(task)) == (Status.READY, ["task_created"])
            assert cancel(web, task, token)[0] == 200


def cancel(web: WebProcess, task: Task, token: str) -> tuple[int, str | None, dict[str, Any]]:
    """Ask the web process to cancel; returns status, Retry-After and body."""
    headers = {"Authorization": f"Bearer {token}", "Host": "localhost", "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)) as wire:
        wire.request("POST", f"/api/v1/tasks/{task.uuid}/cancel", "{}", headers)
        answer = wire.getresponse()
        return answer.status, answer.headers["Retry-After"], json.loads(answer.read())


def state_of(task: Task) -> Status:
    return Task.objects.get(pk=task.pk).state


FROZEN = """
import sys, django
django.setup()
from django.db import transaction
from tasks.lifecycle import rows
from tasks.models import Task
with transaction.atomic():
    task = rows.lock(Task.objects.get(pk=int(sys.argv[1])))
    task.title = "never to be seen"
    task.save()
    print("locked", flush=True)
    sys.stdin.readline()
"""


class TestFrozenProcess:
    def test_holds_nobody_up_for_long_and_cannot_go_on_afterwards(self, task: Task) -> None:
        with frozen_process(task) as process:
            began = time.monotonic()
            with locked(task):
                assert time.monotonic() - began < 8
            process.send_signal(signal.SIGCONT)
            _, complaint = process.communicate("\n", timeout=60)
            assert process.returncode == 1
            assert "IdleInTransactionSessionTimeout" in complaint
        assert Task.objects.get(pk=task.pk).title == "as it was"


@contextmanager
def frozen_process(task: Task) -> Iterator[subprocess.Popen[str]]:
    """A process that is stopped in the middle of a transaction, with a row locked."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.realtime.sockets.served_settings",
        "TEST_DATABASE_NAME": str(connection.settings_dict["NAME"]),
        "PERSONALQ_IDLE_TRANSACTION_TIMEOUT_SECONDS": "1",
    }
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", FROZEN, str(task.pk)]
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment, **pipes) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "locked\n"
            process.send_signal(signal.SIGSTOP)
            yield process
        finally:
            process.kill()


def freeze() -> None:
    """Do nothing within the present transaction until the server has ended its connection."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    (result,) = race(lambda: wait_for(lambda: not is_connected(pid), "the end of the connection"))
    assert result is None


def is_connected(pid: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [pid])
        return cursor.fetchone() is not None


class TestEndedIdleTransaction:
    def test_request_gets_503_and_has_changed_nothing(self, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
        assert task.owner is not None
        api, record = Api(task.owner), events.record

        def freeze_and_record(*arguments: Any, **facts: Any) -> None:
            freeze()
            record(*arguments, **facts)

        with monkeypatch.context() as patch:
            patch.setattr("tasks.events.record", freeze_and_record)
            answer = api.post(f"tasks/{task.uuid}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert (state_of(task), kinds(task)) == (Status.READY, ["task_created"])
        assert api.post(f"tasks/{task.uuid}/cancel").status_code == 200

    def test_worker_tries_again(self, task: Task) -> None:
        tries: list[int] = []

        def write() -> str:
            with transaction.atomic():
                if not tries:
                    tries.append(1)
                    freeze()
                Task.objects.filter(pk=task.pk).update(title="written")
            return "done"

        threads = DatabaseThreads(1)
        try:
            assert asyncio.run(threads.persist(write)) == "done"
        finally:
            threads.close()
        assert Task.objects.get(pk=task.pk).title == "written"

    def test_other_internal_errors_stay_mistakes_of_ours(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SAVEPOINT before")
            with pytest.raises(Exception, match="division by zero"):
                cursor.execute("SELECT 1 / 0")
            with pytest.raises(InternalError) as caught:
                cursor.execute("SELECT 1")
            cursor.execute("ROLLBACK TO before")
        assert app_error_from(caught.value) is None
