"""Deliveries are written with the events that they tell of."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from accounts.models import User
from tasks import events, lifecycle, schedules
from tasks.claims import Claim
from tasks.failures import FAILURES
from tasks.models import TaskEvent
from tests.makers import claim_next, make_agent, make_queue, make_running, make_task, make_user
from tests.webhooks.outbound.sending import make_endpoint, make_events, only, seconds_until
from webhooks.models import Delivery
from webhooks.outbound import endpoints
from webhooks.outbound.kinds import OFFERED

pytestmark = pytest.mark.django_db
CANARY = "canary-of-what-stays-here"


@pytest.fixture(autouse=True)
def public_url(settings: Settings) -> None:
    settings.PERSONALQ_PUBLIC_URL = "https://q.example.org"


def bodies() -> list[Any]:
    return [json.loads(body) for body in Delivery.objects.order_by("event_id").values_list("body", flat=True)]


def test_event_becomes_a_thin_delivery(owner: User) -> None:
    endpoint = make_endpoint(owner, kinds=["task_created"])
    (task,) = make_events(owner)
    delivery, event = only(endpoint), task.events.get()
    assert json.loads(delivery.body) == {
        "type": "task_created",
        "timestamp": event.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "data": {
            "event": event.pk,
            "task": str(task.uuid),
            "schedule": None,
            "title": "task 0",
            "status": "ready",
            "attempt": 0,
            "error_code": "",
            "url": f"https://q.example.org/tasks/{task.uuid}",
        },
    }
    assert (delivery.event_id, delivery.kind, delivery.state) == (event.pk, "task_created", "pending")
    assert seconds_until(delivery.give_up_at) == pytest.approx(timedelta(days=3).total_seconds(), abs=30)


def test_every_kind_tells_the_status_that_it_led_to(owner: User) -> None:
    make_endpoint(owner)
    agent = make_agent(owner, queue=make_queue(owner))
    done, claim = make_running(agent)
    lifecycle.complete(claim=claim, result="r")
    lifecycle.archive(actor=owner, task=done)
    lifecycle.restore(actor=owner, task=done)
    told = [(body["type"], body["data"]["status"]) for body in bodies()]
    assert told == [
        ("task_created", "ready"),
        ("task_started", "running"),
        ("task_completed", "complete"),
        ("task_archived", "archived"),
        ("task_restored", "complete"),
    ]


def test_failure_is_told_by_its_code_alone(owner: User) -> None:
    make_endpoint(owner, kinds=["task_failed"])
    _, claim = make_running(make_agent(owner, queue=make_queue(owner), max_attempts=1))
    lifecycle.fail(claim=claim, code="provider_unavailable", detail=CANARY)
    (body,) = bodies()
    assert body["data"]["error_code"] == "provider_unavailable"
    assert body["data"]["status"] == "failed"
    assert FAILURES["provider_unavailable"].sentence not in json.dumps(body)


@pytest.mark.security
def test_no_prompt_result_input_or_reason_leaves(owner: User) -> None:
    make_endpoint(owner)
    agent = make_agent(owner, queue=make_queue(owner))
    cancelled = make_task(agent, CANARY, input={"k": CANARY}, untrusted_text=CANARY, origin=CANARY)
    lifecycle.cancel(actor=owner, task=cancelled, reason=CANARY)
    make_task(agent, CANARY)
    task = claim_next(agent.queue)
    lifecycle.complete(claim=Claim.of(task), result=CANARY)
    assert Delivery.objects.count() >= 5
    assert not Delivery.objects.filter(body__contains=CANARY).exists()


def test_longest_title_of_odd_characters_stays_thin(owner: User) -> None:
    endpoint = make_endpoint(owner, kinds=["task_created"])
    make_task(make_agent(owner), title='\U0001f9ed"\\' * 66)
    assert len(only(endpoint).body.encode()) < 2_000
    assert json.loads(only(endpoint).body)["data"]["title"] == '\U0001f9ed"\\' * 66


def test_event_of_a_schedule_leads_to_its_page(owner: User) -> None:
    make_endpoint(owner, kinds=["schedule_created"])
    made = schedules.create(
        actor=owner, name="each morning", timing="cron", cron="0 9 * * *", agent=make_agent(owner), prompt=CANARY
    )
    (body,) = bodies()
    data = body["data"]
    assert (data["task"], data["schedule"], data["title"]) == (None, str(made.uuid), "each morning")
    assert data["url"] == f"https://q.example.org/schedules/{made.uuid}"


def test_only_switched_on_endpoints_of_the_owner_that_want_the_kind_get_it(owner: User) -> None:
    wanting = make_endpoint(owner, kinds=["task_created", "task_failed"])
    make_endpoint(owner, kinds=["task_failed"])
    make_endpoint(make_user())
    endpoints.turn_off(actor=owner, endpoint=make_endpoint(owner))
    make_events(owner)
    assert list(Delivery.objects.values_list("endpoint_id", flat=True)) == [wanting.pk]


def test_output_is_never_offered_nor_sent(owner: User) -> None:
    make_endpoint(owner)
    task, _ = make_running(make_agent(owner, queue=make_queue(owner)))
    before = Delivery.objects.count()
    events.record(task, events.OUTPUT, text="word")
    assert Delivery.objects.count() == before
    assert events.OUTPUT not in OFFERED


def test_rolled_back_transaction_leaves_no_delivery(owner: User) -> None:
    make_endpoint(owner)
    agent = make_agent(owner)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        make_task(agent)
        assert Delivery.objects.exists()
        raise ZeroDivisionError
    assert not Delivery.objects.exists()


def test_batch_takes_one_statement_however_long(owner: User) -> None:
    endpoint, agent = make_endpoint(owner, kinds=["task_created"]), make_agent(owner)
    wanted = [lifecycle.Submission(agent=agent, prompt="p", title=str(number)) for number in range(25)]
    with CaptureQueriesContext(connection) as queries:
        lifecycle.submit_many(actor=owner, submissions=wanted)
    mine = [query["sql"] for query in queries if "webhook_" in query["sql"]]
    assert len(mine) == 2
    assert Delivery.objects.filter(endpoint=endpoint).count() == 25
    assert len(set(Delivery.objects.values_list("uuid", flat=True))) == 25


def test_owner_without_endpoints_pays_for_one_query(owner: User) -> None:
    agent = make_agent(owner)
    with CaptureQueriesContext(connection) as queries:
        make_task(agent)
    assert len([query for query in queries if "webhook_" in query["sql"]]) == 1


def test_task_without_an_owner_is_told_to_nobody(owner: User) -> None:
    make_endpoint(owner)
    event = TaskEvent(task=make_task(make_agent(make_user())), owner=None, attempt=0, kind="task_created")
    event.save()
    assert not Delivery.objects.exists()
