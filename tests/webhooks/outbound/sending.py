"""Short ways to make endpoints and to let one turn of sending happen."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db.models import F

from accounts.models import User
from tasks.clock import database_now
from tasks.database_threads import DatabaseThreads
from tasks.models import Task
from tests.makers import make_agent, make_task
from tests.wire.webhook_receiver import WebhookReceiver
from webhooks.models import Delivery, Endpoint
from webhooks.outbound import calls, endpoints, turns
from webhooks.outbound.kinds import OFFERED

PUBLIC = "https://hooks.example.org/in"


def make_endpoint(owner: User, url: str = PUBLIC, *, kinds: Any = OFFERED, name: str = "") -> Endpoint:
    name = name or f"endpoint-{uuid4().hex[:8]}"
    return endpoints.create(actor=owner, name=name, target_url=url, kinds=kinds).endpoint


def connect(owner: User, receiver: WebhookReceiver, *, kinds: Any = ("task_created",), name: str = "") -> Endpoint:
    """An endpoint of the owner at the receiver, which knows its secret."""
    name = name or f"endpoint-{uuid4().hex[:8]}"
    made = endpoints.create(actor=owner, name=name, target_url=receiver.url, kinds=kinds)
    receiver.secret = made.secret
    return made.endpoint


def make_events(owner: User, number: int = 1) -> list[Task]:
    """New tasks, each of which writes one `task_created`."""
    agent = owner.agents.first() or make_agent(owner)
    return [make_task(agent, title=f"task {count}") for count in range(number)]


def take_turn(endpoint: Endpoint) -> bool:
    """One turn, as a worker has it; tells whether something is left for now."""
    return asyncio.run(_take_turn(endpoint))


async def _take_turn(endpoint: Endpoint) -> bool:
    database, client = DatabaseThreads(1), calls.client()
    try:
        return await turns.carry_out(endpoint.pk, database, client)
    finally:
        await client.aclose()
        database.close()


def let_time_pass(endpoint: Endpoint, **span: float) -> None:
    """Move everything that waits for a time, or counts from one, this far into the past."""
    by = timedelta(**span)
    Delivery.objects.filter(endpoint=endpoint).update(
        due_at=F("due_at") - by, give_up_at=F("give_up_at") - by, created_at=F("created_at") - by
    )
    Endpoint.objects.filter(pk=endpoint.pk).update(
        held_until_at=F("held_until_at") - by,
        failing_since_at=F("failing_since_at") - by,
        claimed_until_at=F("claimed_until_at") - by,
    )


def now(found: Any) -> Any:
    """The row as it is now."""
    return type(found).objects.get(pk=found.pk)


def only(endpoint: Endpoint) -> Delivery:
    """The endpoint's one delivery."""
    return Delivery.objects.get(endpoint=endpoint)


def seconds_until(at: Any) -> float:
    return float((at - database_now()).total_seconds())
