"""What people do with agents, queues, budgets, schedules and switches is in the audit trail, in one transaction."""

import io
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from accounts import audit
from accounts.models import AuditEvent, User
from personalq.lib.errors import AppError
from tasks import agents, artifacts, lifecycle, queues, schedules, task_operator
from tasks.models import Agent, Approval, Artifact, Queue, Task
from tasks.runners import ArtifactFile
from tasks.spending import budget_changes
from tests.makers import make_agent, make_credential, make_queue, make_running, make_task
from tests.tasks.api.client import Api
from tests.tasks.trail.reading import deeds, only, rows, told

pytestmark = [pytest.mark.django_db, pytest.mark.security]


class TestAgents:
    def test_made_changed_and_deleted_with_the_names_of_fields(self, as_alice: Api, alice: User) -> None:
        made = as_alice.post("agents", {"name": "a", "kind": "echo"}).json()
        as_alice.patch(f"agents/{made['uuid']}", {"description": "private words", "max_attempts": 7})
        as_alice.patch(f"agents/{made['uuid']}", {"max_attempts": 7})
        as_alice.delete(f"agents/{made['uuid']}")
        assert deeds("agent.") == ["agent.made", "agent.changed", "agent.deleted"]
        changed = only("agent.changed")
        assert changed.facts == {"changed": ["description", "max_attempts"]}
        assert told(changed)[:4] == ("done", "alice", alice.uuid, "alice")

    def test_credential_and_policy_have_rows_of_their_own(self, alice: User) -> None:
        config = {"model": "claude-sonnet-4-5"}
        first, second = make_credential(alice), make_credential(alice)
        agent = agents.create(actor=alice, name="a", kind="anthropic", config=config, credential=first)
        agents.change(actor=alice, agent=agent, credential=second, untrusted_policy="allow", needs_approval=True)
        assert only("agent.made").facts == {"agent_kind": "anthropic", "has_credential": True}
        assert only("agent.credential_changed").facts == {"has_credential": True}
        assert only("agent.policy_changed").facts == {"untrusted_policy": "allow", "needs_approval": True}
        assert str(second.uuid) not in str([one.facts for one in AuditEvent.objects.all()])

    def test_paused_resumed_and_let_go_on(self, operator: User, agent: Agent) -> None:
        agents.pause(actor=operator, agent=agent)
        agents.pause(actor=operator, agent=agent)
        agents.resume(actor=operator, agent=agent)
        Agent.objects.filter(pk=agent.pk).update(held_until_at="2999-01-01T00:00Z", held_code="rate_limited")
        agents.end_hold(actor=operator, agent=agent)
        assert deeds("agent.") == ["agent.paused", "agent.resumed", "agent.hold_ended"]
        assert told(only("agent.hold_ended"))[1:4] == ("olga", operator.uuid, "alice")


class TestQueues:
    def test_whole_life(self, as_alice: Api, alice: User) -> None:
        made = as_alice.post("queues", {"name": "q"}).json()
        as_alice.patch(f"queues/{made['uuid']}", {"concurrency_limit": 3})
        as_alice.post(f"queues/{made['uuid']}/pause")
        as_alice.post(f"queues/{made['uuid']}/resume")
        as_alice.delete(f"queues/{made['uuid']}")
        wanted = ["made", "changed", "paused", "resumed", "deleted"]
        assert deeds("queue.") == [f"queue.{deed}" for deed in wanted]
        assert only("queue.changed").facts == {"concurrency_limit": 3}

    def test_shared_one_is_its_operators(self, operator: User) -> None:
        queues.create(actor=operator, name="all", is_shared=True)
        assert told(only("queue.made"))[:4] == ("done", "olga", operator.uuid, "olga")


def test_budget_is_made_changed_and_deleted_with_its_limits(operator: User, alice: User) -> None:
    budget = budget_changes.create(
        actor=operator, owner=alice, agent=None, scope="total", is_by_operator=True, cost_limit=Decimal("1.50")
    )
    budget_changes.change(actor=operator, budget=budget, token_limit=5)
    budget_changes.delete(actor=operator, budget=budget)
    assert deeds("budget.") == ["budget.made", "budget.changed", "budget.deleted"]
    created, changed = only("budget.made"), only("budget.changed")
    assert (created.facts["token_limit"], Decimal(created.facts["cost_limit"])) == (None, Decimal("1.5"))
    assert changed.facts["token_limit"] == "5"
    assert told(changed)[1:4] == ("olga", operator.uuid, "alice")


def test_schedule_is_made_changed_paused_resumed_and_deleted_and_its_tasks_leave_nothing(
    alice: User, agent: Agent
) -> None:
    made = schedules.create(actor=alice, name="s", timing="interval", every_seconds=3600, agent=agent, prompt="p")
    schedules.change(actor=alice, schedule=made, prompt="secret words")
    schedules.change(actor=alice, schedule=made, prompt="secret words")
    schedules.pause(actor=alice, schedule=made)
    schedules.resume(actor=alice, schedule=made)
    schedules.run(actor=alice, schedule=made)
    schedules.delete(actor=alice, schedule=made)
    wanted = ["made", "changed", "paused", "resumed", "deleted"]
    assert deeds("schedule.") == [f"schedule.{deed}" for deed in wanted]
    assert only("schedule.changed").facts == {"changed": ["prompt"]}


class TestSwitches:
    def test_stop_switch(self, as_operator: Api, operator: User) -> None:
        as_operator.post("stop-switch", {"reason": "secret words"})
        for _ in range(2):
            as_operator.delete("stop-switch")
        assert deeds("stop_switch.") == ["stop_switch.turned_on", "stop_switch.turned_off"]
        switched = only("stop_switch.turned_on")
        assert told(switched)[:3] == ("done", "olga", operator.uuid)
        assert switched.facts == {"stops_running": True}

    def test_task_operator(self, operator: User) -> None:
        agent = make_agent(operator, name="task-operator", queue=make_queue(operator))
        task_operator.turn_on(actor=operator)
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO tasks (prompt) VALUES ('by sql')")
        held = task_operator.hand_out()
        assert held is not None
        assert task_operator.clear(actor=operator)
        task_operator.turn_off(actor=operator)
        assert deeds("task_operator.") == [
            "task_operator.turned_on", "task_operator.cleared", "task_operator.turned_off"
        ]  # fmt: skip
        assert only("task_operator.turned_on").facts["agent"] == str(agent.uuid)
        assert only("task_operator.cleared").facts == {"task": str(held.uuid)}


class TestApprovals:
    @pytest.fixture
    def asked(self, alice: User) -> Approval:
        make_task(make_agent(alice, needs_approval=True))
        return Approval.objects.get()

    def decide(self, client: Api, approval: Approval, verb: str) -> Any:
        body = {"text_digest": approval.text_digest} if verb == "approve" else {}
        return client.post(f"approvals/{approval.uuid}/{verb}", body)

    @pytest.mark.parametrize(("verb", "deed"), [("approve", "approved"), ("deny", "denied")])
    def test_asked_answered_and_answered_too_late(
        self, as_alice: Api, as_operator: Api, alice: User, asked: Approval, verb: str, deed: str
    ) -> None:
        assert self.decide(as_alice, asked, verb).status_code == 200
        assert self.decide(as_operator, asked, verb).status_code == 409
        assert deeds("approval.") == ["approval.asked", f"approval.{deed}", f"approval.{deed}"]
        first, second = rows(f"approval.{deed}")
        assert told(first) == ("done", "alice", alice.uuid, "alice", "approval", asked.uuid)
        assert first.facts == {"task": str(asked.task.uuid)}
        assert (told(second)[:2], second.facts["code"]) == (("conflict", "olga"), "approval_decided")
        assert told(only("approval.asked"))[1:4] == ("", None, "alice")

    def test_answer_about_another_text(self, as_alice: Api, asked: Approval) -> None:
        answer = as_alice.post(f"approvals/{asked.uuid}/approve", {"text_digest": "0" * 64})
        assert answer.status_code == 409
        event = only("approval.approved")
        assert (event.outcome, event.facts["code"]) == ("conflict", "approval_text_changed")

    def test_changed_text_asks_anew(self, as_alice: Api, alice: User, asked: Approval) -> None:
        as_alice.patch(f"tasks/{asked.task.uuid}", {"prompt": "something else"})
        assert deeds("approval.") == ["approval.asked", "approval.text_changed", "approval.asked"]
        assert told(only("approval.text_changed"))[1:6] == ("alice", alice.uuid, "alice", "approval", asked.uuid)

    def test_nobody_answered_in_time(self, asked: Approval) -> None:
        Approval.objects.update(expires_at="2020-01-01T00:00Z")
        lifecycle.expire_approval(task_id=asked.task_id)
        assert told(only("approval.expired"))[:2] == ("done", "")
        assert rows("task.cancel") == []


class TestOperatorsOnOthersTasks:
    @pytest.mark.parametrize("verb", ["retry", "archive", "backlog", "release", "restore"])
    def test_verb_is_noted_for_the_owner_and_the_owners_own_is_not(
        self, verb: str, as_alice: Api, as_operator: Api, operator: User, agent: Agent
    ) -> None:
        for client in (as_alice, as_operator):
            task = self.task_for(verb, agent)
            assert client.post(f"tasks/{task.uuid}/{verb}").status_code == 200
        assert told(only(f"task.{verb}")) == ("done", "olga", operator.uuid, "alice", "task", task.uuid)

    def task_for(self, verb: str, agent: Agent) -> Task:
        task = make_task(agent, is_backlogged=verb == "release")
        owner = agent.owner
        if verb in {"retry", "archive", "restore"}:
            lifecycle.cancel(actor=owner, task=task)
        if verb == "restore":
            lifecycle.archive(actor=owner, task=task)
        return task

    def test_edit_and_move(self, as_operator: Api, task: Task, alice: User) -> None:
        make_queue(alice, name="other")
        as_operator.patch(f"tasks/{task.uuid}", {"title": "new"})
        assert told(only("task.edit"))[1:4:2] == ("olga", "alice")

    def test_refused_verb_leaves_nothing(self, as_operator: Api, task: Task) -> None:
        assert as_operator.post(f"tasks/{task.uuid}/archive").status_code == 409
        assert rows("task.archive") == []

    def test_artifact_is_downloaded(self, as_alice: Api, as_operator: Api, operator: User, agent: Agent) -> None:
        task, claim = make_running(agent)
        artifacts.keep(claim=claim, file=ArtifactFile(name="f", content=b"x"))
        artifact = Artifact.objects.get()
        for client in (as_alice, as_operator):
            client.send("HEAD", f"artifacts/{artifact.uuid}")
            assert client.get(f"artifacts/{artifact.uuid}").status_code == 200
        event = only("task.artifact_downloaded")
        assert told(event) == ("done", "olga", operator.uuid, "alice", "task", task.uuid)
        assert event.facts == {"artifact": str(artifact.uuid)}


class TestCommands:
    def test_imported_tasks(self, tmp_path: Path) -> None:
        path = tmp_path / "older.db"
        with sqlite3.connect(path) as older:
            older.execute(
                "CREATE TABLE tasks (id INTEGER PRIMARY KEY, prompt TEXT, status INTEGER DEFAULT 0, createdat TEXT,"
                ' updatedat TEXT, "order" INTEGER DEFAULT 0, uuid TEXT)'
            )
            older.execute("CREATE TABLE system_settings (name TEXT, value TEXT)")
            older.execute("INSERT INTO tasks (prompt) VALUES ('secret words')")
        for options in ({"dry_run": True}, {}):
            call_command("import_tasks", sqlite=path, stdout=io.StringIO(), **options)
        event = only("tasks.imported")
        assert (event.facts["by"], event.facts["imported"], told(event)[1]) == ("command", 1, "")

    def test_imported_agents(self, operator: User, tmp_path: Path) -> None:
        path = tmp_path / "agents.json"
        path.write_text('{"agents": []}')
        for options in ({"dry_run": True}, {}):
            call_command("import_agents", from_file=path, username="olga", stdout=io.StringIO(), **options)
        assert told(only("agents.imported"))[:2] == ("done", "olga")

    def test_sql_role(self) -> None:
        name = "trail_role"
        try:
            call_command("create_sql_role", name, stdout=io.StringIO(), stderr=io.StringIO())
            call_command("create_sql_role", name, stdout=io.StringIO(), stderr=io.StringIO())
        finally:
            call_command("create_sql_role", name, drop=True, stdout=io.StringIO(), stderr=io.StringIO())
        assert deeds("sql_role.") == ["sql_role.made", "sql_role.renewed", "sql_role.dropped"]
        assert only("sql_role.made").facts == {"by": "command", "role": name, "has_new_password": True}

    def test_encryption_keys(self, alice: User) -> None:
        make_credential(alice)
        call_command("rotate_encryption_keys", stdout=io.StringIO())
        event = only("encryption_keys.rotated")
        assert (event.outcome, sum(event.facts["columns"].values())) == ("done", 0)


def test_deed_and_row_are_one(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AppError

    before = Queue.objects.count()
    monkeypatch.setattr(audit, "record", fail)
    with pytest.raises(AppError), transaction.atomic():
        queues.create(actor=alice, name="q")
    assert Queue.objects.count() == before
