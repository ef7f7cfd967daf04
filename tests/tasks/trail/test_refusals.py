"""Whoever reaches for what belongs to somebody else leaves a row that its owner can read (B-HIGH-005, V16.3)."""

from pathlib import Path
from uuid import uuid4

import pytest
from django.db import transaction

from accounts import refusals
from accounts.models import AuditEvent, User
from personalq.lib.errors import NotYours
from tasks import access
from tasks.models import Agent, Task
from tests.accounts.clients import SecureClient
from tests.concurrency.racing import failures, race
from tests.makers import make_agent, make_credential, make_task, make_token, make_user
from tests.tasks.api.client import Api
from tests.tasks.trail.reading import only, rows, told
from webhooks.doors import keeping
from webhooks.outbound import endpoints

pytestmark = [pytest.mark.django_db, pytest.mark.security]
KIND = "authz.denied"
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "tasks/{uuid}/cancel"),
        ("GET", "tasks/{uuid}"),
        ("PATCH", "tasks/{uuid}"),
        ("DELETE", "tasks/{uuid}"),
        ("PUT", "tasks/{uuid}"),
        ("POST", "tasks/{uuid}/retry"),
        ("POST", "tasks/{uuid}/archive"),
        ("GET", "tasks/{uuid}/events"),
    ],
)
def test_stranger_at_a_task_is_noted_for_its_owner(method: str, path: str, as_bob: Api, bob: User, task: Task) -> None:
    answer = as_bob.send(method, path.format(uuid=task.uuid))
    event = only(KIND)
    assert (answer.status_code, event.request_id, event.address) == (403, answer["X-Request-ID"], "127.0.0.1")
    assert told(event) == ("denied", "bob", bob.uuid, "alice", "task", task.uuid)
    assert event.facts == {"method": method, "path": f"/api/v1/{path.format(uuid=task.uuid)}"}


def test_every_kind_of_object_is_named(as_bob: Api, alice: User, agent: Agent) -> None:
    door = keeping.create(actor=alice, name="d", kind="github", agent=agent).door
    endpoint = endpoints.create(
        actor=alice, name="e", target_url="https://e.example.org/", kinds=["task_failed"]
    ).endpoint
    token = make_token(alice, "tasks:read").token
    objects = {
        f"agents/{agent.uuid}": "agent",
        f"queues/{agent.queue.uuid}": "queue",
        f"credentials/{make_credential(alice).uuid}": "credential",
        f"doors/{door.uuid}": "door",
        f"webhook-endpoints/{endpoint.uuid}": "endpoint",
        f"tokens/{token.uuid}": "personal_token",
    }
    for path in objects:
        assert as_bob.get(path).status_code in {403, 405}, path
    found = [(one.object_kind, told(one)[3]) for one in rows(KIND)]
    assert found == [(noun, "alice") for noun in objects.values()]


def test_page_and_reference_in_a_body(bob: User, as_bob: Api, task: Task, agent: Agent) -> None:
    client = SecureClient()
    client.force_login(bob)
    assert client.post(f"/tasks/{task.uuid}/cancel").status_code == 403
    assert as_bob.post("tasks", {"agent": str(agent.uuid), "prompt": "p"}).status_code == 403
    assert [(one.object_kind, one.object_uuid) for one in rows(KIND)] == [
        ("task", task.uuid),
        ("agent", agent.uuid),
    ]


def test_row_stays_when_the_transaction_is_rolled_back(as_bob: Api, bob: User, agent: Agent) -> None:
    # An import of tasks is all or nothing: the first would have come in.
    own = make_agent(bob, name="own")
    wanted = [{"agent": "own", "prompt": "p"}, {"agent": str(agent.uuid), "prompt": "p"}]
    assert as_bob.post("tasks/batch", {"tasks": wanted}).status_code == 403
    assert not Task.objects.filter(agent=own).exists()
    assert only(KIND).object_uuid == agent.uuid


def test_unknown_ids_leave_nothing(as_bob: Api) -> None:
    assert as_bob.get(f"tasks/{uuid4()}").status_code == 404
    assert rows(KIND) == []


def test_flood_leaves_one_row_for_each_actor_and_object(as_bob: Api, task: Task, agent: Agent) -> None:
    other = make_task(agent)
    for _ in range(4):
        as_bob.get(f"tasks/{task.uuid}")
        as_bob.post(f"tasks/{other.uuid}/cancel")
    Api(make_user("carol")).get(f"tasks/{task.uuid}")
    assert [(one.actor_name, one.object_uuid) for one in rows(KIND)] == [
        ("bob", task.uuid),
        ("bob", other.uuid),
        ("carol", task.uuid),
    ]


@pytest.mark.django_db(transaction=True)
def test_flood_at_the_same_moment_leaves_one_row(transactional_db: None) -> None:
    bob, agent = make_user("bob"), make_agent(make_user())
    task = make_task(agent)
    for number in range(10):
        AuditEvent.objects.filter(kind=KIND).count()
        each = make_task(agent) if number else task
        found = failures(race(*[lambda each=each: access.task_for(bob, each.uuid)] * 4))
        assert len(found) == 4
        assert AuditEvent.objects.filter(kind=KIND, object_uuid=each.uuid).count() == 1


def test_row_is_written_where_nobody_serves_a_request(bob: User, task: Task) -> None:
    with pytest.raises(NotYours), transaction.atomic():
        access.task_for(bob, task.uuid)
    # Rolled back with it: only those who serve requests gather what has to stay.
    assert rows(KIND) == []
    with pytest.raises(NotYours):
        access.task_for(bob, task.uuid)
    only(KIND)


def test_error_is_made_in_one_place_only() -> None:
    """Whoever raises it elsewhere would leave no row."""
    made = {
        str(path.relative_to(ROOT))
        for app in ("accounts", "tasks", "webhooks", "realtime", "personalq")
        for path in (ROOT / app).rglob("*.py")
        if any("raise NotYours" in line or "NotYours()" in line for line in path.read_text().splitlines())
    }
    assert made == {"accounts/refusals.py", "accounts/api/base.py"}


def test_nouns_are_words() -> None:
    assert refusals.noun_of(Task()) == "task"
    assert refusals.noun_of(AuditEvent()) == "audit_event"
