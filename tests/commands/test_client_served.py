"""The client's verbs for tasks, against the product's own web process."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from accounts.models import User
from accounts.tokens import personal_tokens
from tasks import lifecycle
from tasks.models import Agent, Task
from tasks.states import Status
from tests.commands.running import CLIENT, Ran, run_client
from tests.makers import assert_history_is_legal, make_agent, make_task, make_user
from tests.realtime.sockets.serving import WebProcess, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

Client = Callable[..., Ran]
SCOPES = ("tasks:read", "tasks:write", "tasks:work")


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


@pytest.fixture
def agent(alice: User) -> Agent:
    return make_agent(alice, name="hands", kind="external", max_attempts=2, retry_base_seconds=1)


@pytest.fixture
def secret(alice: User) -> str:
    return personal_tokens.create(actor=alice, name="shell", scopes=SCOPES).text


@pytest.fixture
def client(address: str, secret: str) -> Client:
    def run(*arguments: str, stdin: bytes = b"", **env: str) -> Ran:
        named: Any = {"PERSONALQ_URL": address, "PERSONALQ_TOKEN": secret, **env}
        return run_client(*arguments, stdin=stdin, **named)

    return run


def now(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


def test_fetched_file_works_as_it_is(address: str, secret: str, tmp_path: Path) -> None:
    fetched = tmp_path / "personalq-cli"
    with closing(HTTPConnection(urlsplit(address).netloc, timeout=30)) as wire:
        wire.request("GET", "/cli/personalq-cli")
        fetched.write_bytes(wire.getresponse().read())
    fetched.chmod(0o755)
    ran = run_client("list", client=fetched, python=(), PERSONALQ_URL=address, PERSONALQ_TOKEN=secret)
    assert (ran.code, ran.json) == (0, {"tasks": [], "next_cursor": None})


@pytest.mark.usefixtures("agent")
class TestWork:
    def test_whole_way_from_add_to_done(self, client: Client) -> None:
        added = client("add", "-", "--agent", "hands", "--title", "Sums", "--order", "-3", stdin=b"add 2 and 2")
        assert (added.code, added.json["status"], added.json["order"]) == (0, "ready", -3)
        task = added.json["uuid"]

        taken = client("next", "--worker", "a shell").json
        assert (taken["uuid"], taken["attempt"], taken["prompt"]) == (task, 1, "add 2 and 2")
        assert taken["lease_expires_at"]
        assert client("next").code == 3

        assert client("progress", task, "--attempt", "1", "--text", "thinking\n").code == 0
        done = client("done", task, "--attempt", "1", "-", stdin="vier ✓".encode())
        assert (done.code, done.json["status"]) == (0, "complete")
        assert client("show", task).json["result"] == "vier ✓"

        watched = client("watch", task)
        assert (watched.code, watched.out, watched.err) == (0, "thinking\n", "")
        assert_history_is_legal(Task.objects.get(uuid=task))

    def test_who_comes_late_is_refused(self, client: Client, agent: Agent) -> None:
        task = make_task(agent)
        attempt = client("next").json["attempt"]
        assert client("cancel", str(task.uuid), "--reason", "enough").json["status"] == "cancelled"
        for verb, *text in (["progress"], ["done", "r"], ["fail", "r"]):
            ran = client(verb, str(task.uuid), "--attempt", str(attempt), *text)
            assert (ran.code, ran.error["code"], ran.error["status"]) == (1, "claim_over", 409)
        assert now(task).state == Status.CANCELLED

    def test_failure_is_tried_again_unless_it_is_final(self, client: Client, agent: Agent) -> None:
        task = make_task(agent)
        client("next")
        assert client("fail", str(task.uuid), "--attempt", "1", "no network").json["status"] == "ready"
        taken = client("next", "--wait", "30")
        assert (taken.code, taken.json["attempt"]) == (0, 2)
        assert client("fail", str(task.uuid), "--attempt", "2", "--final", "no way").json["status"] == "failed"
        assert client("retry", str(task.uuid)).json["status"] == "ready"

    def test_waiting_for_work_ends_when_it_comes_or_time_is_up(self, client: Client, agent: Agent) -> None:
        assert client("next", "--wait", "0.2", "--agent", "hands").code == 3
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client, "next", "--wait", "60")
            task = make_task(agent)
            assert waiting.result().json["uuid"] == str(task.uuid)

    def test_two_shells_never_get_the_same_task(self, client: Client, agent: Agent) -> None:
        tasks = {str(make_task(agent).uuid) for _ in range(6)}
        Agent.objects.update(concurrency_limit=10)
        with ThreadPoolExecutor(3) as pool:
            taken = [ran.json["uuid"] for ran in pool.map(lambda _: client("next"), range(6))]
        assert sorted(taken) == sorted(tasks)

    def test_same_key_makes_one_task(self, client: Client) -> None:
        first = client("add", "p", "--agent", "hands", "--key", "monday").json
        assert client("add", "p", "--agent", "hands", "--key", "monday").json["uuid"] == first["uuid"]
        assert Task.objects.count() == 1
        other = client("add", "other", "--agent", "hands", "--key", "monday")
        assert (other.code, other.error["code"]) == (1, "idempotency_key_reused")


class TestLists:
    def test_pages_follow_each_other(self, client: Client, agent: Agent) -> None:
        tasks = [str(make_task(agent, f"p{number}").uuid) for number in range(3)]
        first = client("list", "--limit", "2", "--status", "ready", "--agent", "hands").json
        second = client("list", "--limit", "2", "--cursor", first["next_cursor"]).json
        assert [task["uuid"] for task in first["tasks"] + second["tasks"]] == tasks[::-1]
        assert second["next_cursor"] is None

    def test_wrong_filter_is_explained(self, client: Client) -> None:
        ran = client("list", "--status", "sleeping")
        assert (ran.code, ran.error["code"], ran.error["status"]) == (1, "validation_error", 400)
        assert ran.error["errors"][0]["field"] == "status"


class TestWatch:
    def end(self, client: Client, agent: Agent, verb: Callable[[Task], Any], *arguments: str) -> Ran:
        """What `watch` does while a task of ours comes to its end."""
        task = make_task(agent)
        client("next")
        with ThreadPoolExecutor(1) as pool:
            watching = pool.submit(client, "watch", str(task.uuid), *arguments)
            client("progress", str(task.uuid), "--attempt", "1", "--text", "half \x1b[31m")
            verb(task)
            return watching.result()

    def test_complete_is_0(self, client: Client, agent: Agent) -> None:
        ran = self.end(client, agent, lambda task: client("done", str(task.uuid), "--attempt", "1", "whole"))
        assert (ran.code, ran.out) == (0, "half \x1b[31m")

    def test_failed_is_4_and_says_why(self, client: Client, agent: Agent) -> None:
        ran = self.end(
            client, agent, lambda task: client("fail", str(task.uuid), "--attempt", "1", "--final", "no way")
        )
        assert ran.code == 4
        assert json.loads(ran.err)["code"] == "reported_failed"

    def test_cancelled_is_5(self, client: Client, agent: Agent, alice: User) -> None:
        ran = self.end(client, agent, lambda task: lifecycle.cancel(actor=alice, task=task))
        assert ran.code == 5
        assert json.loads(ran.err)["code"] == "cancelled"

    def test_archived_ends_as_it_had_ended(self, client: Client, agent: Agent, alice: User) -> None:
        task = make_task(agent)
        lifecycle.cancel(actor=alice, task=task)
        lifecycle.archive(actor=alice, task=task)
        assert client("watch", str(task.uuid)).code == 5

    def test_time_that_is_up_is_3(self, client: Client, agent: Agent) -> None:
        assert client("watch", str(make_task(agent).uuid), "--wait", "0").code == 3

    def test_events_come_as_lines_of_json(self, client: Client, agent: Agent, alice: User) -> None:
        task = make_task(agent)
        lifecycle.cancel(actor=alice, task=task)
        lines = [json.loads(line) for line in client("watch", str(task.uuid), "--json").out.splitlines()]
        assert [line["event"] for line in lines] == ["task_created", "task_cancelled"]
        later = client("watch", str(task.uuid), "--json", "--after", str(lines[0]["id"])).out
        assert json.loads(later) == lines[1]

    def test_it_lives_through_a_restart_of_the_server(
        self, address: str, web: WebProcess, secret: str, agent: Agent, tmp_path: Path
    ) -> None:
        task = make_task(agent)
        with WebProcess(tmp_path) as passing:
            env = {"PERSONALQ_URL": f"http://127.0.0.1:{passing.port}", "PERSONALQ_TOKEN": secret}
            watching = subprocess.Popen(
                [sys.executable, str(CLIENT), "watch", str(task.uuid)], env=env, stderr=subprocess.PIPE, text=True
            )
            wait_for(lambda: str(task.uuid) in passing.log, "the first question")
            passing.stop()
        with WebProcess(tmp_path, port=passing.port):
            lifecycle.cancel(actor=agent.owner, task=task)
            _, err = watching.communicate(timeout=60)
        assert (watching.returncode, json.loads(err)["code"]) == (5, "cancelled")


@pytest.mark.security
class TestWhoMay:
    def test_token_without_the_scope_is_told_which(self, client: Client, alice: User, agent: Agent) -> None:
        reading = personal_tokens.create(actor=alice, name="reader", scopes=["tasks:read"]).text
        ran = client("next", PERSONALQ_TOKEN=reading)
        assert (ran.code, ran.error["code"], ran.error["status"]) == (1, "scope_missing", 403)
        assert "tasks:work" in ran.error["error"]
        assert client("list", PERSONALQ_TOKEN=reading).code == 0

    def test_ended_token_is_refused(self, client: Client, alice: User) -> None:
        made = personal_tokens.create(actor=alice, name="ended", scopes=SCOPES)
        personal_tokens.revoke(actor=alice, token=made.token)
        ran = client("list", PERSONALQ_TOKEN=made.text)
        assert (ran.code, ran.error["status"]) == (1, 401)
        assert made.text not in ran.err

    def test_task_of_somebody_else_is_not_shown(self, client: Client) -> None:
        theirs = make_task(make_agent(make_user("bob")), "canary")
        for verb in ("show", "watch", "cancel", "retry"):
            ran = client(verb, str(theirs.uuid))
            assert (ran.code, ran.error["code"]) == (1, "not_yours")
            assert "canary" not in ran.err
        assert client("show", str(uuid4())).error["code"] == "not_found"
