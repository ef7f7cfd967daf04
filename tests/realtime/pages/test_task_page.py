"""The page of one task: output, history, facts and buttons."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from realtime.views.output import TAIL_LENGTH
from realtime.views.timeline import MOST_EVENTS
from tasks import lifecycle
from tasks.claims import Claim
from tasks.models import Agent, Task
from tasks.states import Status
from tests.accounts.clients import SecureClient
from tests.makers import claim_next, kinds, make_running, make_task
from tests.realtime.pages.reading import attribute, buttons_in, output_in, text_of

pytestmark = pytest.mark.django_db

FRAGMENT = {"X-Fragment": "1"}


def say(claim: Claim, *pieces: str) -> None:
    offset = 0
    for piece in pieces:
        lifecycle.record_output(claim=claim, text=piece, offset=offset)
        offset += len(piece)


class TestOutput:
    def test_of_a_running_task_is_there_and_says_where_it_ends(self, page: SecureClient, agent: Agent) -> None:
        task, claim = make_running(agent)
        say(claim, "one ", "two 🦩 ", "three")
        answer = page.get(f"/tasks/{task.uuid}")
        assert output_in(answer) == "one two 🦩 three"
        assert attribute(answer, "data-end") == str(len("one two 🦩 three"))

    def test_of_a_finished_task_is_there(self, page: SecureClient, agent: Agent) -> None:
        task, claim = make_running(agent)
        say(claim, "all ", "done")
        lifecycle.complete(claim=claim, result="all done")
        assert output_in(page.get(f"/tasks/{task.uuid}")) == "all done"

    def test_of_a_failed_task_is_what_it_said_until_then(self, page: SecureClient, agent: Agent) -> None:
        task, claim = make_running(agent)
        say(claim, "so far")
        lifecycle.fail(claim=claim, code="timed_out")
        assert output_in(page.get(f"/tasks/{task.uuid}")) == "so far"

    def test_keeps_line_breaks_at_its_beginning(self, page: SecureClient, agent: Agent) -> None:
        task, claim = make_running(agent)
        say(claim, "\n\n  indented\n")
        assert output_in(page.get(f"/tasks/{task.uuid}")) == "\n\n  indented\n"

    def test_that_is_huge_is_cut_at_its_beginning(self, page: SecureClient, agent: Agent) -> None:
        task, claim = make_running(agent)
        pieces = [f"{number:07d}\n" * 500 for number in range(30)]
        say(claim, *pieces)
        answer = page.get(f"/tasks/{task.uuid}")
        assert output_in(answer) == "".join(pieces)[-TAIL_LENGTH:]
        assert attribute(answer, "data-end") == str(sum(map(len, pieces)))
        assert 'id="output-cut">' in answer.content.decode()

    def test_can_be_downloaded_as_a_whole(self, page: SecureClient, agent: Agent) -> None:
        task, claim = make_running(agent)
        pieces = ["<b>\n", "x" * TAIL_LENGTH, "\x1b[31mred"]
        say(claim, *pieces)
        answer = page.get(f"/tasks/{task.uuid}/output")
        assert answer.content.decode() == "".join(pieces)
        assert answer["Content-Type"] == "text/plain; charset=utf-8"
        assert answer["Content-Disposition"].startswith("attachment;")

    def test_of_a_result_that_left_no_pieces_is_there(self, page: SecureClient, agent: Agent) -> None:
        task, claim = make_running(agent)
        lifecycle.complete(claim=claim, result="from nowhere")
        assert output_in(page.get(f"/tasks/{task.uuid}")) == "from nowhere"
        assert page.get(f"/tasks/{task.uuid}/output").content == b"from nowhere"

    def test_survives_the_archive(self, page: SecureClient, alice: User, agent: Agent) -> None:
        task, claim = make_running(agent)
        lifecycle.archive(actor=alice, task=lifecycle.complete(claim=claim, result="kept"))
        assert output_in(page.get(f"/tasks/{task.uuid}")) == "kept"


class TestAttempts:
    @pytest.fixture
    def task(self, agent: Agent) -> Task:
        """Its first attempt failed, its second one runs."""
        task, claim = make_running(agent)
        say(claim, "first words")
        lifecycle.fail(claim=claim, code="lease_lost")
        Task.objects.filter(pk=task.pk).update(not_before_at=timezone.now() - timedelta(seconds=1))
        again = claim_next(agent.queue)
        say(Claim.of(again), "second words")
        return again

    def test_show_the_output_of_the_latest(self, page: SecureClient, task: Task) -> None:
        answer = page.get(f"/tasks/{task.uuid}")
        assert output_in(answer) == "second words"
        assert "data-is-latest" in answer.content.decode()

    def test_can_be_looked_at_one_by_one(self, page: SecureClient, task: Task) -> None:
        answer = page.get(f"/tasks/{task.uuid}?attempt=1")
        assert output_in(answer) == "first words"
        assert "data-is-latest" not in answer.content.decode()
        assert page.get(f"/tasks/{task.uuid}/output?attempt=1").content == b"first words"

    @pytest.mark.parametrize("attempt", ["0", "3", "x", "-1", "99999999999999999999", "1%00"])
    def test_that_never_were_are_refused(self, page: SecureClient, task: Task, attempt: str) -> None:
        for path in ("", "/output"):
            assert page.get(f"/tasks/{task.uuid}{path}?attempt={attempt}").status_code == 400


class TestTimeline:
    def test_tells_what_happened_in_words(self, page: SecureClient, alice: User, agent: Agent) -> None:
        task, claim = make_running(agent)
        say(claim, "hm")
        lifecycle.fail(claim=claim, code="command_failed", exit_code=3)
        shown = text_of(page.get(f"/tasks/{task.uuid}"))
        assert "Attempt 1 started agent scribe" in shown
        assert "Failed The command ended with an exit code other than 0." in shown
        assert "exit code 3" in shown
        assert "Created by alice" in shown

    def test_tells_why_a_task_waits_again(self, page: SecureClient, agent: Agent) -> None:
        task, claim = make_running(agent)
        lifecycle.fail(claim=claim, code="lease_lost")
        shown = text_of(page.get(f"/tasks/{task.uuid}"))
        assert "Back in the queue The worker that carried the task out stopped answering." in shown

    def test_takes_strange_facts_for_what_they_are(self, page: SecureClient, agent: Agent) -> None:
        task, claim = make_running(agent)
        lifecycle.complete(claim=claim, result="", words="<i>many</i>", exit_code=["x"], changed="abc")
        answer = page.get(f"/tasks/{task.uuid}")
        assert answer.status_code == 200
        assert "<i>" not in answer.content.decode()

    def test_that_is_long_shows_the_latest_and_leads_to_the_rest(
        self, page: SecureClient, alice: User, agent: Agent
    ) -> None:
        task = make_task(agent)
        for _ in range(MOST_EVENTS // 2 + 1):
            lifecycle.release(actor=alice, task=lifecycle.backlog(actor=alice, task=task))
        answer = page.get(f"/tasks/{task.uuid}")
        assert answer.content.decode().count('class="event ') == MOST_EVENTS
        assert f"/api/v1/tasks/{task.uuid}/events" in answer.content.decode()


class TestButtons:
    def test_are_those_that_the_status_allows(self, page: SecureClient, alice: User, agent: Agent) -> None:
        task = make_task(agent)
        address = f"/tasks/{task.uuid}"
        assert buttons_in(page.get(address)) == ["cancel", "backlog"]
        page.post(f"{address}/backlog")
        assert buttons_in(page.get(address)) == ["cancel", "release"]
        page.post(f"{address}/cancel")
        assert buttons_in(page.get(address)) == ["retry", "archive"]
        page.post(f"{address}/archive")
        assert buttons_in(page.get(address)) == ["restore"]
        page.post(f"{address}/restore")
        page.post(f"{address}/retry")
        assert buttons_in(page.get(address)) == ["cancel", "backlog"]
        assert kinds(task) == [
            "task_created",
            "task_backlogged",
            "task_cancelled",
            "task_archived",
            "task_restored",
            "task_retried",
        ]

    def test_lead_back_to_the_page(self, page: SecureClient, agent: Agent) -> None:
        task = make_task(agent)
        answer = page.post(f"/tasks/{task.uuid}/cancel")
        assert (answer.status_code, answer["Location"]) == (302, f"/tasks/{task.uuid}")

    def test_that_come_too_late_show_the_task_and_say_why(self, page: SecureClient, agent: Agent) -> None:
        task, claim = make_running(agent)
        lifecycle.complete(claim=claim, result="done first")
        answer = page.post(f"/tasks/{task.uuid}/cancel")
        assert answer.status_code == 409
        assert "A task that is complete cannot take 'cancel'." in text_of(answer)
        assert output_in(answer) == "done first"

    def test_give_scripts_only_what_changed(self, page: SecureClient, agent: Agent) -> None:
        task = make_task(agent)
        answer = page.post(f"/tasks/{task.uuid}/cancel", headers=FRAGMENT)
        assert answer.status_code == 200
        assert "<html" not in answer.content.decode()
        assert attribute(answer, "data-status") == "cancelled"
        late = page.post(f"/tasks/{task.uuid}/backlog", headers=FRAGMENT)
        assert late.status_code == 409
        assert "cannot take 'backlog'" in text_of(late)
        assert "<html" not in late.content.decode()

    def test_are_limited_together_with_the_api(self, page: SecureClient, agent: Agent, settings: object) -> None:
        settings.PERSONALQ_RATE_TASK_CHANGE = "1/h"  # type: ignore[attr-defined]
        task = make_task(agent)
        page.post(f"/tasks/{task.uuid}/backlog")
        answer = page.post(f"/tasks/{task.uuid}/release")
        assert answer.status_code == 429
        assert int(answer["Retry-After"]) > 0
        task.refresh_from_db()
        assert task.state == Status.BACKLOGGED


def test_panel_has_the_parts_that_change(page: SecureClient, agent: Agent) -> None:
    task, _ = make_running(agent)
    answer = page.get(f"/tasks/{task.uuid}/panel").content.decode()
    for part in ("task-status", "task-actions", "task-notice", "task-facts", "task-timeline", "task-attempts"):
        assert f'id="{part}"' in answer
    assert "<html" not in answer


def test_details_for_operators_stay_out_of_the_page(operators_page: SecureClient, agent: Agent) -> None:
    task, claim = make_running(agent)
    lifecycle.fail(claim=claim, code="internal_error", detail="traceback at /srv/secret")
    answer = operators_page.get(f"/tasks/{task.uuid}")
    assert "Something unexpected went wrong here." in text_of(answer)
    assert "/srv/secret" not in text_of(answer)


def test_task_by_sql_without_agent_or_owner_is_shown_to_operators(operators_page: SecureClient) -> None:
    task = Task.objects.create(prompt="by hand")
    task.refresh_from_db()
    answer = operators_page.get(f"/tasks/{task.uuid}")
    assert answer.status_code == 200
    assert "none" in text_of(answer)
