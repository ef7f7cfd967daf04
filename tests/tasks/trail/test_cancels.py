"""A cancel is in the audit trail, whichever way it came and however it ended."""

from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse

from accounts.models import AuditEvent, User
from personalq.lib.errors import IllegalTransition
from tasks import bulk, lifecycle
from tasks.claims import Claim
from tasks.criteria import TaskCriteria
from tasks.models import Agent, BulkAction, Task
from tasks.states import Status
from tests.accounts.clients import SecureClient
from tests.concurrency.racing import race
from tests.makers import claim_next, make_agent, make_running, make_task, make_user
from tests.tasks.api.client import Api
from tests.tasks.older_tools.client import OldClient
from tests.tasks.trail.reading import only, rows, told

pytestmark = [pytest.mark.django_db, pytest.mark.security]
KIND = "task.cancel"


def browser_of(user: User) -> SecureClient:
    client = SecureClient()
    client.force_login(user)
    return client


class TestDone:
    def test_rest_leaves_actor_task_address_and_request(self, as_alice: Api, alice: User, task: Task) -> None:
        answer = as_alice.post(f"tasks/{task.uuid}/cancel", {"reason": "a secret reason"})
        assert answer.status_code == 200
        event = only(KIND)
        assert told(event) == ("done", "alice", alice.uuid, "alice", "task", task.uuid)
        assert (event.address, event.request_id) == ("127.0.0.1", answer["X-Request-ID"])
        assert "secret" not in str(event.facts)

    def test_page(self, alice: User, task: Task) -> None:
        browser_of(alice).post(f"/tasks/{task.uuid}/cancel")
        assert told(only(KIND)) == ("done", "alice", alice.uuid, "alice", "task", task.uuid)

    def test_operator_on_somebody_elses_task(self, as_operator: Api, operator: User, task: Task) -> None:
        as_operator.post(f"tasks/{task.uuid}/cancel")
        assert told(only(KIND)) == ("done", "olga", operator.uuid, "alice", "task", task.uuid)

    def test_admin(self, operator: User, task: Task) -> None:
        chosen = {"action": "cancel", "_selected_action": [task.pk]}
        browser_of(operator).post(reverse("admin:tasks_task_changelist"), chosen)
        assert told(only(KIND)) == ("done", "olga", operator.uuid, "alice", "task", task.uuid)

    def test_repeating_it_leaves_no_second_row(self, as_alice: Api, task: Task) -> None:
        for _ in range(2):
            assert as_alice.post(f"tasks/{task.uuid}/cancel").status_code == 200
        only(KIND)

    def test_cancelling_again_what_somebody_has_retried_meanwhile(self, alice: User, task: Task) -> None:
        lifecycle.cancel(actor=alice, task=task)
        seen = Task.objects.get(pk=task.pk)
        lifecycle.retry(actor=alice, task=task)
        lifecycle.cancel(actor=alice, task=seen)
        assert AuditEvent.objects.filter(kind=KIND, outcome="done").count() == 2

    def test_row_goes_with_a_cancel_that_is_taken_back(self, alice: User, task: Task) -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            lifecycle.cancel(actor=alice, task=task)
            raise ZeroDivisionError
        assert rows(KIND) == []

    def test_task_that_gives_way_to_a_newer_one_leaves_none(self, agent: Agent) -> None:
        for _ in range(2):
            make_task(agent, concurrency_key="k", concurrency_policy="cancel_older")
        assert Task.objects.filter(status=Status.CANCELLED).count() == 1
        assert rows(KIND) == []


class TestAtomic:
    def test_cancel_whose_row_cannot_be_written_is_taken_back(
        self, alice: User, task: Task, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("tasks.trail.note", fail)
        with pytest.raises(ZeroDivisionError):
            lifecycle.cancel(actor=alice, task=task)
        task.refresh_from_db()
        assert task.state == Status.READY


class TestManyAtOnce:
    def test_bulk_action_leaves_what_was_asked_and_one_row_with_counts(
        self, as_alice: Api, alice: User, agent: Agent
    ) -> None:
        for _ in range(3):
            make_task(agent)
        answer = as_alice.post("bulk-actions", {"action": "cancel", "filter": {"agent": "scribe"}})
        assert answer.status_code in {201, 202}, answer.content
        action = BulkAction.objects.get()
        lifecycle.complete(claim=Claim.of(claim_next(agent.queue)), result="")
        bulk.advance(action.pk)
        asked, done = only("task.bulk_asked"), only(KIND)
        assert (asked.facts, asked.request_id) == ({"action": "cancel", "tasks": 3}, answer["X-Request-ID"])
        assert told(done) == ("done", "alice", alice.uuid, "alice", "bulk_action", action.uuid)
        assert (done.facts["changed"], done.facts["skipped"]) == (2, 1)

    def test_each_owner_can_read_what_an_operator_asked_for_all(self, operator: User, agent: Agent) -> None:
        others = make_agent(make_user("carol"))
        for each in (agent, agent, others):
            make_task(each)
        bulk.create(actor=operator, action="cancel", criteria=TaskCriteria(), shown_filter={}, task_owner=None)
        asked = {told(event)[3]: event.facts["tasks"] for event in rows("task.bulk_asked")}
        assert asked == {"alice": 2, "carol": 1}

    def test_stopping_one_is_noted(self, alice: User, task: Task) -> None:
        action = bulk.create(actor=alice, action="cancel", criteria=TaskCriteria(), shown_filter={}, task_owner=alice)
        bulk.stop(actor=alice, action=action)
        assert told(only("bulk_action.stopped"))[:2] == ("done", "alice")
        assert only(KIND).facts["status"] == "stopped"

    def test_agent_that_an_older_tool_deletes(self, alice: User) -> None:
        client = OldClient(alice)
        client.make("cron", schedule="0 0 1 1 *")
        agent = Agent.objects.get(name="cron")
        for _ in range(2):
            make_task(agent)
        assert client.delete("/agents/cron").status_code == 200
        event = only(KIND)
        assert told(event) == ("done", "alice", alice.uuid, "alice", "agent", agent.uuid)
        assert event.facts == {"changed": 2}


class TestConflict:
    def test_finished_task_leaves_a_row_although_nothing_changed(
        self, as_alice: Api, alice: User, agent: Agent
    ) -> None:
        task, claim = make_running(agent)
        lifecycle.complete(claim=claim, result="")
        answer = as_alice.post(f"tasks/{task.uuid}/cancel")
        event = only(KIND)
        assert (answer.status_code, event.request_id) == (409, answer["X-Request-ID"])
        assert told(event) == ("conflict", "alice", alice.uuid, "alice", "task", task.uuid)
        assert event.facts == {"status": "complete"}

    def test_page_and_admin(self, alice: User, operator: User, agent: Agent) -> None:
        task, claim = make_running(agent)
        lifecycle.complete(claim=claim, result="")
        browser_of(alice).post(f"/tasks/{task.uuid}/cancel")
        chosen = {"action": "cancel", "_selected_action": [task.pk]}
        browser_of(operator).post(reverse("admin:tasks_task_changelist"), chosen)
        assert [(one.actor_name, one.outcome) for one in rows(KIND)] == [("alice", "conflict"), ("olga", "conflict")]

    def test_repeated_ones_leave_one_row_a_minute(self, as_alice: Api, agent: Agent) -> None:
        task, claim = make_running(agent)
        lifecycle.complete(claim=claim, result="")
        for _ in range(3):
            assert as_alice.post(f"tasks/{task.uuid}/cancel").status_code == 409
        only(KIND)


@pytest.mark.django_db(transaction=True)
def test_of_a_cancel_and_the_end_of_the_work_each_winner_leaves_the_right_row(
    transactional_db: None, django_user_model: Any
) -> None:
    owner = make_user()
    agent = make_agent(owner)
    for _ in range(20):
        task, claim = make_running(agent)
        ended, _cancelled = race(
            partial(lifecycle.complete, claim=claim, result=""),
            partial(lifecycle.cancel, actor=owner, task=task),
        )
        outcome = AuditEvent.objects.get(kind=KIND, object_uuid=task.uuid).outcome
        state = Task.objects.get(pk=task.pk).state
        assert (outcome, state) in {("done", Status.CANCELLED), ("conflict", Status.COMPLETE)}, ended


@pytest.mark.django_db(transaction=True)
def test_of_two_cancels_one_is_done_and_the_other_in_conflict(transactional_db: None) -> None:
    owner = make_user()
    agent = make_agent(owner)
    for _ in range(20):
        task = make_task(agent)
        cancel = lambda task=task: lifecycle.cancel(actor=owner, task=task)  # noqa: E731
        results = race(cancel, cancel)
        assert sum(isinstance(one, IllegalTransition) for one in results) == 1
        outcomes = AuditEvent.objects.filter(kind=KIND, object_uuid=task.uuid).values_list("outcome", flat=True)
        assert sorted(outcomes) == ["conflict", "done"]
