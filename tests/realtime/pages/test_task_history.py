"""What the page of a task tells of its attempts and its end, and changing a task by its form."""

from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from tasks import lifecycle
from tasks.claims import Claim
from tasks.models import PROMPT_LENGTH, Agent, Queue, Task
from tasks.spending.usage import Usage
from tasks.states import Status
from tests.accounts.clients import SecureClient
from tests.makers import claim_next, kinds, make_agent, make_queue, make_running, make_task
from tests.realtime.pages.reading import text_of

pytestmark = pytest.mark.django_db

FRAGMENT = {"X-Fragment": "1"}


def history_in(answer: Any) -> str:
    body = answer.content.decode()
    begin = body.index('id="task-history"')
    end = body.index("</section>", begin)

    class Part:
        content = f"<i {body[begin:end]}".encode()

    return text_of(Part)


class TestAttempts:
    def test_are_listed_latest_first_with_how_they_ended(self, page: SecureClient, agent: Agent) -> None:
        task, claim = make_running(agent)
        lifecycle.record_output(claim=claim, text="some words", offset=0)
        lifecycle.fail(claim=claim, code="lease_lost")
        second = Claim.of(claim_next(agent.queue))
        lifecycle.complete(claim=second, result="", usage=Usage(tokens_in=1200, tokens_out=7))
        shown = history_in(page.get(f"/tasks/{task.uuid}"))
        assert shown.index("2 complete") < shown.index("1 worker lost")
        assert "1,200 tokens in, 7 out" in shown
        assert "The worker that carried the task out stopped answering." in shown
        assert "Output of attempt 1" in shown
        assert "Output of attempt 2" not in shown

    def test_lead_to_what_each_said(self, page: SecureClient, agent: Agent) -> None:
        task, claim = make_running(agent)
        lifecycle.record_output(claim=claim, text="some words", offset=0)
        lifecycle.fail(claim=claim, code="lease_lost")
        claim_next(agent.queue)
        body = page.get(f"/tasks/{task.uuid}").content.decode()
        assert f'href="/tasks/{task.uuid}?attempt=1#output-heading"' in body

    def test_of_a_task_that_never_ran_take_no_room(self, page: SecureClient, agent: Agent) -> None:
        assert (
            'id="task-history" aria-labelledby="history-heading" hidden'
            in page.get(f"/tasks/{make_task(agent).uuid}").content.decode()
        )

    def test_that_are_many_do_not_fill_the_heading(self, page: SecureClient, agent: Agent) -> None:
        task, claim = make_running(agent)
        Task.objects.filter(pk=task.pk).update(attempts=40)
        lifecycle.fail(claim=Claim(task_id=claim.task_id, attempt=40), code="timed_out")
        body = page.get(f"/tasks/{task.uuid}").content.decode()
        begin = body.index('id="task-attempts"')
        tabs = body[begin : body.index("</nav>", begin)]
        assert tabs.count("<a ") == 6
        assert "?attempt=35" in tabs


class TestCancel:
    def test_reason_is_kept_and_shown_with_who_and_when(self, page: SecureClient, agent: Agent) -> None:
        task = make_task(agent)
        page.post(f"/tasks/{task.uuid}/cancel", {"reason": " Wrong <i>address</i>. "})
        answer = page.get(f"/tasks/{task.uuid}")
        assert "Cancelled by alice ," in text_of(answer)
        assert "Reason: Wrong <i>address</i>." in text_of(answer)
        assert "<i>address" not in answer.content.decode()
        assert task.events.order_by("-id")[0].data["reason"] == "Wrong <i>address</i>."

    def test_reason_can_be_left_out(self, page: SecureClient, agent: Agent) -> None:
        task = make_task(agent)
        assert page.post(f"/tasks/{task.uuid}/cancel", {"reason": ""}).status_code == 302
        assert "Reason:" not in text_of(page.get(f"/tasks/{task.uuid}"))

    @pytest.mark.parametrize("reason", ["x" * 501, "a\x00b"])
    def test_bad_reason_cancels_nothing(self, page: SecureClient, agent: Agent, reason: str) -> None:
        task = make_task(agent)
        assert page.post(f"/tasks/{task.uuid}/cancel", {"reason": reason}).status_code == 400
        task.refresh_from_db()
        assert task.state == Status.READY

    def test_form_takes_a_reason(self, page: SecureClient, agent: Agent) -> None:
        assert '<input name="reason"' in page.get(f"/tasks/{make_task(agent).uuid}").content.decode()


class TestDead:
    def test_says_so_and_offers_a_retry(self, page: SecureClient, alice: User) -> None:
        agent = make_agent(alice, max_attempts=1)
        task, claim = make_running(agent)
        lifecycle.fail(claim=claim, code="command_try_later")
        assert "Its attempts are used up" in text_of(page.get(f"/tasks/{task.uuid}"))
        page.post(f"/tasks/{task.uuid}/retry")
        assert "Its attempts are used up" not in text_of(page.get(f"/tasks/{task.uuid}"))

    def test_is_not_said_of_what_would_fail_again(self, page: SecureClient, agent: Agent) -> None:
        task, claim = make_running(agent)
        lifecycle.fail(claim=claim, code="command_failed")
        assert "Its attempts are used up" not in text_of(page.get(f"/tasks/{task.uuid}"))


def test_retry_that_has_to_give_way_says_why(page: SecureClient, agent: Agent) -> None:
    key = {"concurrency_key": "one", "concurrency_policy": "drop_newer"}
    task = make_task(agent, **key)
    page.post(f"/tasks/{task.uuid}/cancel")
    make_task(agent, **key)
    answer = page.post(f"/tasks/{task.uuid}/retry", headers=FRAGMENT)
    assert answer.status_code == 409
    assert "Another task has this concurrency key." in text_of(answer)


class TestEdit:
    @pytest.fixture
    def task(self, agent: Agent) -> Task:
        return make_task(agent, "Say\r\nthis", title="Before")

    def form(self, task: Task, **changes: str) -> dict[str, str]:
        default = str(Queue.objects.shared_default().uuid)
        return {"prompt": "Say\r\nthis", "title": "Before", "order": "0", "queue": default, **changes}

    def test_saves_what_was_changed(self, page: SecureClient, alice: User, task: Task) -> None:
        lane = make_queue(alice, name="lane")
        changes = {"prompt": "Say\r\nthat", "title": "After", "order": "-3", "queue": str(lane.uuid)}
        answer = page.post(f"/tasks/{task.uuid}/edit", self.form(task, **changes))
        task.refresh_from_db()
        assert (answer.status_code, answer["Location"]) == (302, f"/tasks/{task.uuid}")
        assert (task.prompt, task.title, task.order, task.queue) == ("Say\nthat", "After", -3, lane)
        assert "Moved from queue default to lane" in text_of(page.get(f"/tasks/{task.uuid}"))

    def test_leaves_alone_what_was_not(self, page: SecureClient, task: Task) -> None:
        page.post(f"/tasks/{task.uuid}/edit", self.form(task))
        task.refresh_from_db()
        assert task.prompt == "Say\r\nthis"
        assert kinds(task) == ["task_created"]

    @pytest.mark.parametrize(
        ("field", "value", "reason"),
        [
            ("prompt", " ", "Write something"),
            ("prompt", "x" * (PROMPT_LENGTH + 1), "at most 200000 characters"),
            ("title", "a\nb", "Use one line"),
            ("order", "", "This field is required."),
            ("order", "2147483648", "less than or equal to"),
            ("queue", "6f1c3c5e-7a07-4ac2-9c39-f6e2b7d1c001", "Select a valid choice."),
        ],
    )
    def test_bad_field_is_named_and_nothing_written(
        self, page: SecureClient, task: Task, field: str, value: str, reason: str
    ) -> None:
        answer = page.post(f"/tasks/{task.uuid}/edit", self.form(task, **{field: value}))
        assert answer.status_code == 400
        assert reason in text_of(answer)
        assert kinds(task) == ["task_created"]

    def test_that_comes_too_late_says_so_and_keeps_what_was_typed(self, page: SecureClient, task: Task) -> None:
        assert task.queue is not None
        claim_next(task.queue)
        answer = page.post(f"/tasks/{task.uuid}/edit", self.form(task, title="Too late"))
        assert answer.status_code == 409
        assert "A task that is running cannot take 'edit'." in text_of(answer)
        assert 'value="Too late"' in answer.content.decode()
        task.refresh_from_db()
        assert task.title == "Before"

    def test_of_a_running_task_is_not_offered(self, page: SecureClient, task: Task) -> None:
        assert task.queue is not None
        assert f"/tasks/{task.uuid}/edit" in page.get(f"/tasks/{task.uuid}").content.decode()
        claim_next(task.queue)
        assert f"/tasks/{task.uuid}/edit" not in page.get(f"/tasks/{task.uuid}").content.decode()
        answer = page.get(f"/tasks/{task.uuid}/edit")
        assert "A task that is running cannot be changed." in text_of(answer)
        assert ">Save<" not in answer.content.decode()

    def test_offers_the_queues_of_the_tasks_owner(
        self, operators_page: SecureClient, alice: User, operator: User, task: Task
    ) -> None:
        make_queue(alice, name="hers")
        make_queue(operator, name="operators")
        shown = text_of(operators_page.get(f"/tasks/{task.uuid}/edit"))
        assert "hers" in shown
        assert "operators" not in shown

    def test_is_limited_together_with_the_api(self, page: SecureClient, task: Task, settings: Settings) -> None:
        settings.PERSONALQ_RATE_TASK_CHANGE = "1/h"
        page.post(f"/tasks/{task.uuid}/edit", self.form(task, title="First"))
        assert page.post(f"/tasks/{task.uuid}/edit", self.form(task, title="Second")).status_code == 429
        task.refresh_from_db()
        assert task.title == "First"
