"""One action for many tasks: asking, watching, stopping; and the dead letters."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.models import User
from realtime.views import bulk_actions
from tasks import bulk, lifecycle
from tasks.criteria import TaskCriteria
from tasks.models import Agent, BulkAction, Task
from tasks.states import Status
from tests.accounts.clients import SecureClient
from tests.makers import make_agent, make_queue, make_running, make_task
from tests.realtime.pages.reading import tasks_in, text_of

pytestmark = pytest.mark.django_db


def ask(page: SecureClient, query: str, **values: str) -> BulkAction:
    """Confirm a bulk action and return it, carried out."""
    answer = page.post(f"/bulk-actions/new?{query}", values)
    assert answer.status_code == 302, text_of(answer)
    action = BulkAction.objects.latest("pk")
    assert answer["Location"] == f"/bulk-actions/{action.uuid}"
    bulk.advance(action.pk)
    action.refresh_from_db()
    return action


def make_dead(owner: User, **fields: Any) -> Task:
    task, claim = make_running(make_agent(owner, max_attempts=1, **fields))
    lifecycle.fail(claim=claim, code="command_try_later")
    task.refresh_from_db()
    return task


class TestAsking:
    def test_list_offers_what_its_filter_allows(self, page: SecureClient, agent: Agent) -> None:
        make_task(agent)
        offered = re.findall(r"bulk-actions/new\?[^\"]*action=(\w+)", page.get("/tasks").content.decode())
        assert offered == ["cancel", "retry", "archive", "move"]
        body = page.get("/tasks", {"status": "ready", "text": "say"}).content.decode()
        assert re.findall(r"bulk-actions/new\?([^\"]*)\"", body) == [
            "status=ready&amp;text=say&amp;action=cancel",
            "status=ready&amp;text=say&amp;action=move",
        ]

    def test_confirmation_says_how_many_and_which(self, page: SecureClient, alice: User, agent: Agent) -> None:
        make_task(agent, "heron one")
        make_task(agent, "heron two", is_backlogged=True)
        make_task(agent, "owl")
        lifecycle.cancel(actor=alice, task=make_task(agent, "heron three"))
        shown = text_of(page.get("/bulk-actions/new?action=cancel&text=heron"))
        assert "Cancel 2 tasks?" in shown
        assert "Filter: text heron ." in shown

    def test_confirmation_stops_counting(
        self, page: SecureClient, agent: Agent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bulk_actions, "MOST_COUNTED", 2)
        for _ in range(4):
            make_task(agent)
        assert "Cancel more than 2 tasks?" in text_of(page.get("/bulk-actions/new?action=cancel"))

    def test_nothing_happens_by_asking(self, page: SecureClient, agent: Agent) -> None:
        make_task(agent)
        page.get("/bulk-actions/new?action=cancel")
        assert not BulkAction.objects.exists()

    @pytest.mark.parametrize("query", ["", "action=delete", "action=cancel&sort=1", "action=cancel&status=done"])
    def test_bad_query_is_refused(self, page: SecureClient, query: str) -> None:
        assert page.get(f"/bulk-actions/new?{query}").status_code == 400
        assert page.post(f"/bulk-actions/new?{query}").status_code == 400


class TestActing:
    def test_cancel_touches_what_the_filter_showed(self, page: SecureClient, alice: User, agent: Agent) -> None:
        other = make_task(make_agent(alice))
        tasks = [make_task(agent) for _ in range(3)]
        action = ask(page, f"action=cancel&agent={agent.uuid}", reason="No longer needed.")
        assert (action.status, action.changed) == ("complete", 3)
        assert {task.state for task in Task.objects.exclude(pk=other.pk)} == {Status.CANCELLED}
        assert "Reason: No longer needed." in text_of(page.get(f"/tasks/{tasks[0].uuid}"))
        other.refresh_from_db()
        assert other.state == Status.READY

    def test_others_tasks_are_never_touched(
        self, page: SecureClient, operators_page: SecureClient, bob: User, agent: Agent
    ) -> None:
        theirs = make_task(make_agent(bob))
        make_task(agent)
        assert ask(page, "action=cancel").total == 1
        assert ask(operators_page, "action=cancel").total == 0
        theirs.refresh_from_db()
        assert theirs.state == Status.READY

    def test_archived_tasks_are_left_out_without_a_status(self, page: SecureClient, alice: User, agent: Agent) -> None:
        done = lifecycle.cancel(actor=alice, task=make_task(agent))
        lifecycle.archive(actor=alice, task=lifecycle.cancel(actor=alice, task=make_task(agent)))
        assert ask(page, "action=archive").total == 1
        done.refresh_from_db()
        assert done.state == Status.ARCHIVED

    def test_move_needs_a_queue_of_ones_own_or_a_shared_one(
        self, page: SecureClient, alice: User, bob: User, agent: Agent
    ) -> None:
        task = make_task(agent)
        lane = make_queue(alice, name="lane")
        foreign = make_queue(bob, name="bobs-lane")
        for queue in ("", str(foreign.uuid)):
            assert page.post("/bulk-actions/new?action=move", {"queue": queue}).status_code == 400
        ask(page, "action=move", queue=str(lane.uuid))
        task.refresh_from_db()
        assert task.queue == lane

    def test_form_that_is_sent_twice_asks_once(self, page: SecureClient, agent: Agent) -> None:
        make_task(agent)
        body = page.get("/bulk-actions/new?action=cancel").content.decode()
        found = re.search(r'name="form_key" value="([^"]*)"', body)
        assert found is not None
        sent = [page.post("/bulk-actions/new?action=cancel", {"form_key": found[1], "reason": ""}) for _ in range(2)]
        assert sent[0]["Location"] == sent[1]["Location"]
        assert BulkAction.objects.count() == 1

    def test_too_many_at_once_are_refused_in_words(self, page: SecureClient, agent: Agent) -> None:
        for _ in range(bulk.MOST_UNFINISHED):
            page.post("/bulk-actions/new?action=cancel")
        answer = page.post("/bulk-actions/new?action=cancel")
        assert answer.status_code == 409
        assert "Too many of your bulk actions are under way." in text_of(answer)

    def test_are_limited_together_with_the_api(self, page: SecureClient, settings: Settings) -> None:
        settings.PERSONALQ_RATE_TASK_CHANGE = "1/h"
        page.post("/bulk-actions/new?action=cancel")
        assert page.post("/bulk-actions/new?action=cancel").status_code == 429
        assert BulkAction.objects.count() == 1


class TestProgress:
    def test_tells_what_was_done_and_left_alone(self, page: SecureClient, alice: User, agent: Agent) -> None:
        tasks = [make_task(agent) for _ in range(3)]
        page.post("/bulk-actions/new?action=cancel")
        action = BulkAction.objects.get()
        waiting = page.get(f"/bulk-actions/{action.uuid}")
        assert "0 of 3 tasks" in text_of(waiting)
        assert "data-unfinished" in waiting.content.decode()
        assert '<noscript><meta http-equiv="refresh"' in waiting.content.decode()
        lifecycle.cancel(actor=alice, task=tasks[0])
        bulk.advance(action.pk)
        for path in ("", "/panel"):
            answer = page.get(f"/bulk-actions/{action.uuid}{path}")
            shown = text_of(answer)
            assert "3 of 3 tasks" in shown
            assert "2 cancelled" in shown
            assert "1 left alone: had a status by then that does not allow it" in shown
            assert "data-unfinished" not in answer.content.decode()
            assert "http-equiv" not in answer.content.decode()

    def test_stop_leaves_the_rest_alone(self, page: SecureClient, agent: Agent) -> None:
        task = make_task(agent)
        page.post("/bulk-actions/new?action=cancel")
        action = BulkAction.objects.get()
        answer = page.post(f"/bulk-actions/{action.uuid}/stop")
        assert answer["Location"] == f"/bulk-actions/{action.uuid}"
        bulk.advance(action.pk)
        task.refresh_from_db()
        assert task.state == Status.READY
        shown = page.get(f"/bulk-actions/{action.uuid}")
        assert "stopped 0 of 1 task" in text_of(shown)
        assert "1 not reached" in text_of(shown)
        assert "/stop" not in shown.content.decode()

    def test_early_end_says_why(self, page: SecureClient, alice: User, agent: Agent) -> None:
        make_task(agent)
        lane = make_queue(alice, name="lane")
        page.post("/bulk-actions/new?action=move", {"queue": str(lane.uuid)})
        action = BulkAction.objects.get()
        lane.delete()
        bulk.advance(action.pk)
        shown = text_of(page.get(f"/bulk-actions/{action.uuid}"))
        assert "It ended early: the queue to move to was deleted." in shown
        assert "left alone" not in shown

    def test_of_nothing_is_done_at_once(self, page: SecureClient) -> None:
        action = ask(page, "action=cancel")
        assert "done 0 of 0 tasks" in text_of(page.get(f"/bulk-actions/{action.uuid}"))

    def test_filters_of_the_api_are_shown_as_text(self, page: SecureClient, alice: User) -> None:
        shown_filter = {"search": "<b>x</b>", "dead": False, "status": ["failed", "cancelled"], "source": "api"}
        action = bulk.create(
            actor=alice, action="retry", criteria=TaskCriteria(), shown_filter=shown_filter, task_owner=alice
        )
        answer = page.get(f"/bulk-actions/{action.uuid}")
        shown = text_of(answer)
        for words in ("text <b>x</b>", "attempts not used up", "status failed or cancelled", "source api"):
            assert words in shown
        assert "<b>x" not in answer.content.decode()

    def test_list_has_ones_own_newest_first(self, page: SecureClient, strange_page: SecureClient) -> None:
        ask(page, "action=cancel&text=first")
        ask(page, "action=archive&text=second")
        shown = text_of(page.get("/bulk-actions"))
        assert shown.index("text second") < shown.index("text first")
        assert "text first" not in text_of(strange_page.get("/bulk-actions"))


class TestDeadLetters:
    def test_are_listed_with_their_error_and_counted_in_the_navigation(self, page: SecureClient, alice: User) -> None:
        assert "Dead letters" not in text_of(page.get("/"))
        task = make_dead(alice)
        shown = text_of(page.get("/dead-letters"))
        assert "The command asked to be tried again later" in shown
        assert f"/tasks/{task.uuid}/retry" in page.get("/dead-letters").content.decode()
        assert "Dead letters 1" in text_of(page.get("/agents"))

    def test_are_ones_own(self, strange_page: SecureClient, operators_page: SecureClient, alice: User) -> None:
        task = make_dead(alice)
        for page in (strange_page, operators_page):
            assert str(task.uuid) not in page.get("/dead-letters").content.decode()
            assert "Dead letters" not in text_of(page.get("/"))

    def test_hold_nothing_that_would_fail_again(self, page: SecureClient, agent: Agent) -> None:
        _, claim = make_running(agent)
        lifecycle.fail(claim=claim, code="command_failed")
        assert "There are none." in text_of(page.get("/dead-letters"))

    def test_can_all_be_retried(self, page: SecureClient, alice: User) -> None:
        tasks = [make_dead(alice), make_dead(alice)]
        answer = page.post("/dead-letters/retry")
        action = BulkAction.objects.get()
        assert answer["Location"] == f"/bulk-actions/{action.uuid}"
        bulk.advance(action.pk)
        assert {Task.objects.get(pk=task.pk).state for task in tasks} == {Status.READY}
        assert "Filter: attempts used up" in text_of(page.get(f"/bulk-actions/{action.uuid}"))

    def test_buttons_that_are_pressed_twice_ask_once(self, page: SecureClient, alice: User) -> None:
        make_dead(alice)
        for address, path in (("/dead-letters", "/dead-letters/retry"), ("/dead-letters/discard",) * 2):
            found = re.search(r'name="form_key" value="([^"]*)"', page.get(address).content.decode())
            assert found is not None
            sent = [page.post(path, {"form_key": found[1]})["Location"] for _ in range(2)]
            assert sent[0] == sent[1]
        assert BulkAction.objects.count() == 2

    def test_are_discarded_only_after_asking(self, page: SecureClient, alice: User) -> None:
        task = make_dead(alice)
        assert "Discard 1 dead letter?" in text_of(page.get("/dead-letters/discard"))
        assert not BulkAction.objects.exists()
        page.post("/dead-letters/discard")
        bulk.advance(BulkAction.objects.get().pk)
        task.refresh_from_db()
        assert task.state == Status.ARCHIVED
        assert "There are none." in text_of(page.get("/dead-letters"))

    def test_say_when_too_much_is_under_way(self, page: SecureClient, alice: User) -> None:
        make_dead(alice)
        for _ in range(bulk.MOST_UNFINISHED):
            page.post("/dead-letters/retry")
        for address in ("/dead-letters/retry", "/dead-letters/discard"):
            answer = page.post(address)
            assert answer.status_code == 409
            assert "Too many of your bulk actions are under way." in text_of(answer)

    def test_count_stops_at_a_hundred(self, page: SecureClient, alice: User) -> None:
        task = make_dead(alice)
        Task.objects.bulk_create([copy_of(task) for _ in range(99)])
        assert "Dead letters 99+" in text_of(page.get("/"))

    def test_cost_as_many_queries_for_many_as_for_one(self, page: SecureClient, alice: User) -> None:
        make_dead(alice)
        page.get("/dead-letters")
        with CaptureQueriesContext(connection) as for_one:
            page.get("/dead-letters")
        tasks = [make_dead(alice) for _ in range(8)]
        with CaptureQueriesContext(connection) as for_many:
            assert len(tasks_in(page.get("/dead-letters"))) == len(tasks) + 1
        assert len(for_many) == len(for_one)


def copy_of(task: Task) -> Task:
    """A dead letter like this one, without its history."""
    names = ["owner", "agent", "queue", "prompt", "source", "attempts", "status", "recorded_status"]
    return Task(**{name: getattr(task, name) for name in [*names, "finished_at", "dead_at", "error_code"]})
