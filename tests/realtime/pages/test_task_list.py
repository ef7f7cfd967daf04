"""The list of tasks: filters, pages, counts and the rows that scripts fetch."""

from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from realtime.views.task_list import PAGE_SIZE
from tasks import agents, feed, lifecycle
from tasks.models import Agent, Task
from tests.accounts.clients import SecureClient
from tests.makers import make_agent, make_queue, make_running, make_task
from tests.realtime.pages.reading import attribute, tasks_in, text_of

pytestmark = pytest.mark.django_db
# No task has it.
GONE = UUID("6f1c3c5e-7a07-4ac2-9c39-f6e2b7d1c001")


def ids(*tasks: Task) -> list[str]:
    return [str(task.uuid) for task in tasks]


class TestFilter:
    def test_without_one_shows_all_but_archived_newest_first(
        self, page: SecureClient, alice: User, agent: Agent
    ) -> None:
        first, second, third = (make_task(agent) for _ in range(3))
        lifecycle.archive(actor=alice, task=lifecycle.cancel(actor=alice, task=second))
        assert tasks_in(page.get("/tasks")) == ids(third, first)
        assert tasks_in(page.get("/tasks?status=archived")) == ids(second)

    def test_by_status(self, page: SecureClient, alice: User, agent: Agent) -> None:
        ready, cancelled = make_task(agent), make_task(agent)
        lifecycle.cancel(actor=alice, task=cancelled)
        assert tasks_in(page.get("/tasks?status=ready")) == ids(ready)
        assert tasks_in(page.get("/tasks?status=cancelled")) == ids(cancelled)

    def test_by_agent(self, page: SecureClient, alice: User, agent: Agent) -> None:
        make_task(make_agent(alice))
        task = make_task(agent)
        assert tasks_in(page.get(f"/tasks?agent={agent.uuid}")) == ids(task)

    def test_by_queue(self, page: SecureClient, alice: User, agent: Agent) -> None:
        lane = make_queue(alice, name="lane")
        task = make_task(make_agent(alice, queue=lane))
        make_task(agent)
        answer = page.get(f"/tasks?queue={lane.uuid}")
        assert tasks_in(answer) == ids(task)
        assert f'value="{lane.uuid}" selected' in answer.content.decode()

    @pytest.mark.parametrize("text", ["heron", "HERON", "grey heron", "100%", "a_b"])
    def test_by_text_in_title_or_prompt(self, page: SecureClient, agent: Agent, text: str) -> None:
        by_title = make_task(agent, title="The grey heron, 100% a_b")
        by_prompt = make_task(agent, prompt="Draw a grey heron, 100% a_b")
        make_task(agent, prompt="Draw an owl, 1000 axb")
        assert tasks_in(page.get("/tasks", {"text": text})) == ids(by_prompt, by_title)

    def test_empty_fields_of_the_form_ask_for_nothing(self, page: SecureClient, agent: Agent) -> None:
        task = make_task(agent)
        assert tasks_in(page.get("/tasks?status=&agent=&text=+")) == ids(task)

    def test_survives_in_the_addresses_of_the_page(self, page: SecureClient, agent: Agent) -> None:
        answer = page.get("/tasks", {"text": 'a&b="c"', "agent": str(agent.uuid)}).content.decode()
        assert f"?agent={agent.uuid}&amp;text=a%26b%3D%22c%22&amp;status=ready" in answer
        assert 'value="a&amp;b=&quot;c&quot;"' in answer

    @pytest.mark.parametrize(
        ("query", "reason"),
        [
            ("status=done", "Use one of: ready, complete"),
            ("status=4", "Use one of"),
            ("agent=scribe", "Send an id such as"),
            ("before=1", "Send an id such as"),
            (f"before={GONE}", "This page is gone."),
            (f"after={GONE}", "This page is gone."),
            (f"before={GONE}&after={GONE}", "Send either before or after"),
            ("text=a%00b", "Null characters are not allowed."),
            (f"text={'x' * 201}", "Use at most 200 characters."),
            ("status=ready&status=failed", "Send this parameter once."),
            ("page=2", "There is no such field."),
        ],
    )
    def test_bad_one_is_a_page_that_says_why(self, page: SecureClient, query: str, reason: str) -> None:
        answer = page.get(f"/tasks?{query}")
        assert answer.status_code == 400
        assert reason in text_of(answer)
        assert answer["Content-Type"].startswith("text/html")

    def test_by_unknown_agent_is_not_found(self, page: SecureClient) -> None:
        assert page.get(f"/tasks?agent={uuid4()}").status_code == 404


class TestPages:
    def test_follow_one_another_without_gap_or_repetition(self, page: SecureClient, agent: Agent) -> None:
        tasks = [make_task(agent) for _ in range(PAGE_SIZE + 3)]
        newest = ids(*reversed(tasks))
        first = page.get("/tasks")
        assert tasks_in(first) == newest[:PAGE_SIZE]
        assert 'rel="prev"' not in first.content.decode()
        second = page.get(f"/tasks?before={newest[PAGE_SIZE - 1]}")
        assert tasks_in(second) == newest[PAGE_SIZE:]
        assert f"/tasks?before={newest[PAGE_SIZE - 1]}" in first.content.decode()
        back = page.get(f"/tasks?after={newest[PAGE_SIZE]}")
        assert tasks_in(back) == newest[:PAGE_SIZE]

    def test_beside_a_row_that_no_longer_matches_the_filter(
        self, page: SecureClient, alice: User, agent: Agent
    ) -> None:
        older, anchor = make_task(agent), make_task(agent)
        lifecycle.cancel(actor=alice, task=anchor)
        assert tasks_in(page.get(f"/tasks?status=ready&before={anchor.uuid}")) == ids(older)

    def test_only_the_first_one_takes_new_rows(self, page: SecureClient, agent: Agent) -> None:
        tasks = [make_task(agent) for _ in range(PAGE_SIZE + 1)]
        assert "data-first-page" in page.get("/tasks").content.decode()
        assert "data-first-page" not in page.get(f"/tasks?before={tasks[1].uuid}").content.decode()

    def test_cost_the_same_number_of_queries_for_one_row_and_for_many(self, page: SecureClient, agent: Agent) -> None:
        make_task(agent)
        page.get("/tasks")  # the first one of a session notes when it was used
        with CaptureQueriesContext(connection) as for_one:
            page.get("/tasks")
        for _ in range(10):
            make_task(agent)
        with CaptureQueriesContext(connection) as for_many:
            page.get("/tasks")
        assert len(for_many) == len(for_one)


class TestRows:
    def test_are_those_that_match_the_filter(self, page: SecureClient, alice: User, agent: Agent) -> None:
        ready, cancelled, other = make_task(agent), make_task(agent), make_task(agent)
        lifecycle.cancel(actor=alice, task=cancelled)
        answer = page.get(f"/tasks/rows?status=ready&ids={ready.uuid},{cancelled.uuid}")
        assert tasks_in(answer) == ids(ready)
        assert str(other.uuid) not in answer.content.decode()

    def test_come_with_fresh_counts(self, page: SecureClient, agent: Agent) -> None:
        make_running(agent)
        task = make_task(agent)
        assert "Running 1 Ready 1 Backlogged 0 Failed 0" in text_of(page.get(f"/tasks/rows?ids={task.uuid}"))

    def test_tell_when_their_tasks_were_made(self, page: SecureClient, agent: Agent) -> None:
        earlier, later = make_task(agent), make_task(agent)
        made = [int(attribute(page.get(f"/tasks/rows?ids={task.uuid}"), "data-created")) for task in (earlier, later)]
        assert made == sorted(made)

    @pytest.mark.parametrize("asked", ["", "x", "1,2", str(UUID(int=0)) + ",", "{},{}".format(*["a" * 36] * 2)])
    def test_by_anything_but_ids_are_refused(self, page: SecureClient, asked: str) -> None:
        assert page.get("/tasks/rows", {"ids": asked}).status_code == 400

    def test_are_fifty_at_most(self, page: SecureClient) -> None:
        many = [str(uuid4()) for _ in range(51)]
        assert page.get("/tasks/rows", {"ids": ",".join(many[:50])}).status_code == 200
        assert page.get("/tasks/rows", {"ids": ",".join(many)}).status_code == 400


class TestRow:
    def test_shows_how_the_prompt_begins_without_a_title(self, page: SecureClient, agent: Agent) -> None:
        make_task(agent, prompt="  Count\n\n the   herons " + "of the lake " * 30)
        assert "Count the herons of the lake" in text_of(page.get("/tasks"))
        assert "of the…" in text_of(page.get("/tasks"))

    def test_of_a_failed_task_says_why(self, page: SecureClient, agent: Agent) -> None:
        _, claim = make_running(agent)
        lifecycle.fail(claim=claim, code="timed_out", detail="/secret/path")
        shown = text_of(page.get("/tasks"))
        assert "The attempt took longer than the agent's time limit." in shown
        assert "/secret/path" not in shown

    def test_keeps_the_name_of_a_deleted_agent(self, page: SecureClient, alice: User, agent: Agent) -> None:
        lifecycle.cancel(actor=alice, task=make_task(agent))
        agents.delete(actor=alice, agent=agent)
        answer = page.get("/tasks")
        assert "scribe (deleted)" in text_of(answer)
        assert f"/agents/{agent.uuid}" not in answer.content.decode()


class TestEmptyList:
    def test_leads_to_the_first_agent(self, page: SecureClient) -> None:
        assert "Create your first agent" in text_of(page.get("/tasks"))

    def test_leads_to_the_first_prompt(self, page: SecureClient, agent: Agent) -> None:
        assert "Queue a prompt" in text_of(page.get("/tasks"))

    def test_says_that_the_filter_lets_nothing_through(self, page: SecureClient, agent: Agent) -> None:
        assert "No task matches this filter." in text_of(page.get("/tasks?text=heron"))


def test_page_names_the_newest_event_that_its_rows_may_miss(page: SecureClient, agent: Agent) -> None:
    make_task(agent)
    assert int(attribute(page.get("/tasks"), "data-last-event-id")) == feed.horizon()
