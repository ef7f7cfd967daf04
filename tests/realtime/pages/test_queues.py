"""Queues: the list, making, changing, pausing and deleting them by forms."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from tasks.models import Agent, Queue, Task
from tests.accounts.clients import SecureClient
from tests.makers import make_agent, make_queue, make_running, make_task
from tests.realtime.pages.reading import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def form() -> dict[str, Any]:
    """What a browser sends for a new queue."""
    return {"name": "lane", "concurrency_limit": "3", "rate_limit": "", "rate_period_seconds": "60"}


@pytest.fixture
def lane(alice: User) -> Queue:
    return make_queue(alice, name="lane")


def since(task: Task) -> str:
    return task.updatedat.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TestList:
    def test_shows_own_and_shared_ones_with_their_loads(
        self, page: SecureClient, alice: User, bob: User, lane: Queue
    ) -> None:
        agent = make_agent(alice, queue=lane)
        make_running(agent)
        make_task(agent)
        make_task(agent, is_backlogged=True)
        make_queue(bob, name="bobs-lane")
        Queue.objects.shared_default()
        shown = text_of(page.get("/queues"))
        assert "1 of 10 running · 1 waiting" in shown
        assert "default shared" in shown
        assert "bobs-lane" not in shown

    def test_tells_since_when_the_oldest_waits(self, page: SecureClient, agent: Agent) -> None:
        old, new = make_task(agent), make_task(agent)
        old.refresh_from_db()
        new.refresh_from_db()
        body = page.get("/queues").content.decode()
        assert f'data-since="{since(old)}"' in body
        assert since(new) not in body

    def test_what_is_not_due_does_not_wait_yet(self, page: SecureClient, agent: Agent) -> None:
        make_task(agent, not_before_at=timezone.now() + timedelta(hours=1))
        assert "oldest waits" not in text_of(page.get("/queues"))

    def test_counts_of_others_in_shared_queues_are_for_operators(
        self, page: SecureClient, operators_page: SecureClient, agent: Agent, bob: User
    ) -> None:
        make_task(agent)
        make_task(make_agent(bob))
        make_task(make_agent(bob))
        assert "0 running · 1 waiting of yours" in text_of(page.get("/queues"))
        assert "0 of 50 running · 3 waiting" in text_of(operators_page.get("/queues"))

    def test_costs_as_many_queries_for_many_as_for_one(self, page: SecureClient, alice: User) -> None:
        make_queue(alice)
        page.get("/queues")
        with CaptureQueriesContext(connection) as for_one:
            page.get("/queues")
        for _ in range(10):
            make_task(make_agent(alice, queue=make_queue(alice)))
        with CaptureQueriesContext(connection) as for_many:
            page.get("/queues")
        assert len(for_many) == len(for_one)

    def test_has_pages(self, page: SecureClient, alice: User) -> None:
        made = [make_queue(alice, name=f"lane-{number:02}") for number in range(26)]
        assert "lane-01" not in text_of(page.get("/queues"))
        assert "lane-01" in text_of(page.get(f"/queues?before={made[2].uuid}"))


class TestNew:
    def test_is_made_of_the_forms_values(self, page: SecureClient, alice: User, form: dict[str, Any]) -> None:
        answer = page.post("/queues/new", form | {"rate_limit": "5", "rate_period_seconds": "10"})
        queue = Queue.objects.get(name="lane")
        assert (answer.status_code, answer["Location"]) == (302, "/queues")
        assert (queue.owner, queue.concurrency_limit, queue.rate_limit, queue.rate_period_seconds) == (alice, 3, 5, 10)

    @pytest.mark.parametrize(
        ("field", "value", "reason"),
        [
            ("name", "", "This field is required."),
            ("name", "two words", "Use letters a to z"),
            ("name", "x" * 101, "at most 100 characters"),
            ("concurrency_limit", "0", "greater than or equal to 1"),
            ("rate_limit", "0", "greater than or equal to 1"),
            ("rate_period_seconds", "", "This field is required."),
        ],
    )
    def test_bad_field_is_named_and_nothing_written(
        self, page: SecureClient, form: dict[str, Any], field: str, value: str, reason: str
    ) -> None:
        answer = page.post("/queues/new", form | {field: value})
        assert answer.status_code == 400
        assert reason in text_of(answer)
        assert not Queue.objects.filter(owner__isnull=False).exists()

    def test_name_can_be_used_once(self, page: SecureClient, lane: Queue, form: dict[str, Any]) -> None:
        answer = page.post("/queues/new", form)
        assert answer.status_code == 409
        assert "There is a queue of this name already." in text_of(answer)

    def test_only_operators_make_shared_ones(
        self, page: SecureClient, operators_page: SecureClient, alice: User, form: dict[str, Any]
    ) -> None:
        page.post("/queues/new", form | {"is_shared": "on"})
        assert Queue.objects.get(name="lane").owner == alice
        assert "Shared by everybody" not in text_of(page.get("/queues/new"))
        operators_page.post("/queues/new", form | {"name": "all", "is_shared": "on"})
        assert Queue.objects.get(name="all").is_shared

    def test_too_many_are_refused(self, page: SecureClient, form: dict[str, Any], settings: Settings) -> None:
        settings.PERSONALQ_RATE_QUEUE_CHANGE = "1/h"
        page.post("/queues/new", form)
        answer = page.post("/queues/new", form | {"name": "second"})
        assert answer.status_code == 429
        assert 'value="second"' in answer.content.decode()


class TestOne:
    def test_limits_are_saved(self, page: SecureClient, lane: Queue, form: dict[str, Any]) -> None:
        answer = page.post(f"/queues/{lane.uuid}", form | {"rate_limit": "7"})
        lane.refresh_from_db()
        assert (answer.status_code, lane.concurrency_limit, lane.rate_limit) == (302, 3, 7)

    def test_bad_limits_change_nothing(self, page: SecureClient, lane: Queue, form: dict[str, Any]) -> None:
        assert page.post(f"/queues/{lane.uuid}", form | {"concurrency_limit": "x"}).status_code == 400
        lane.refresh_from_db()
        assert lane.concurrency_limit == 10

    def test_pause_and_resume(self, page: SecureClient, lane: Queue) -> None:
        answer = page.post(f"/queues/{lane.uuid}/pause", {"back": "list"})
        lane.refresh_from_db()
        assert (answer["Location"], lane.is_paused) == ("/queues", True)
        assert ">paused<" in page.get(f"/queues/{lane.uuid}").content.decode()
        answer = page.post(f"/queues/{lane.uuid}/resume")
        lane.refresh_from_db()
        assert (answer["Location"], lane.is_paused) == (f"/queues/{lane.uuid}", False)

    def test_shared_one_is_only_looked_at(self, page: SecureClient, form: dict[str, Any]) -> None:
        shared = Queue.objects.shared_default()
        answer = page.get(f"/queues/{shared.uuid}")
        assert "Operators set its limits." in text_of(answer)
        assert 'name="concurrency_limit"' not in answer.content.decode()
        for path in ("", "/pause", "/delete"):
            assert page.post(f"/queues/{shared.uuid}{path}", form).status_code == 403

    def test_its_page_counts_what_is_in_it(self, page: SecureClient, alice: User, lane: Queue) -> None:
        agent = make_agent(alice, name="scribe", queue=lane)
        make_task(agent)
        make_task(agent, not_before_at=timezone.now() + timedelta(hours=1))
        shown = text_of(page.get(f"/queues/{lane.uuid}"))
        assert "What is in it Waiting 1 Delayed 1 Running 0 Complete 0 Failed 0 Agents scribe" in shown

    def test_shared_page_counts_ones_own_only(
        self, page: SecureClient, operators_page: SecureClient, agent: Agent, bob: User
    ) -> None:
        make_task(agent)
        make_task(make_agent(bob, name="bobs"))
        address = f"/queues/{Queue.objects.shared_default().uuid}"
        assert "What is in it, of yours Waiting 1" in text_of(page.get(address))
        assert "bobs" not in text_of(page.get(address))
        assert "What is in it Waiting 2" in text_of(operators_page.get(address))

    def test_shared_one_is_changed_by_operators(self, operators_page: SecureClient, form: dict[str, Any]) -> None:
        shared = Queue.objects.shared_default()
        operators_page.post(f"/queues/{shared.uuid}", form)
        operators_page.post(f"/queues/{shared.uuid}/pause")
        shared.refresh_from_db()
        assert (shared.concurrency_limit, shared.is_paused) == (3, True)


class TestDelete:
    def test_asks_and_deletes(self, page: SecureClient, lane: Queue) -> None:
        assert "Delete lane?" in text_of(page.get(f"/queues/{lane.uuid}/delete"))
        assert page.post(f"/queues/{lane.uuid}/delete")["Location"] == "/queues"
        assert not Queue.objects.filter(pk=lane.pk).exists()

    def test_is_refused_while_it_is_used(self, page: SecureClient, alice: User, lane: Queue) -> None:
        make_task(make_agent(alice, queue=lane))
        assert "1 agent, 0 schedules and 1 task that is not finished" in text_of(
            page.get(f"/queues/{lane.uuid}/delete")
        )
        answer = page.post(f"/queues/{lane.uuid}/delete")
        assert answer.status_code == 409
        assert "Nothing was deleted." in text_of(answer)
        assert Queue.objects.filter(pk=lane.pk).exists()

    def test_is_not_offered_for_the_default_queue(self, operators_page: SecureClient) -> None:
        shared = Queue.objects.shared_default()
        assert f"/queues/{shared.uuid}/delete" not in operators_page.get(f"/queues/{shared.uuid}").content.decode()
        assert operators_page.post(f"/queues/{shared.uuid}/delete").status_code == 409
