"""Who sends when: leases, places in line, hints and the sweep."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, transaction
from pytest_django.fixtures import Settings

from accounts.models import User
from personalq.lib.http import Limits
from tasks.messenger import messenger
from tests.concurrency.racing import failures, race
from tests.makers import make_user
from tests.webhooks.outbound.sending import connect, let_time_pass, make_events, now, only, take_turn
from tests.wire.server import answering
from tests.wire.webhook_receiver import WebhookReceiver, after, hang
from webhooks import jobs
from webhooks.models import Delivery, Endpoint
from webhooks.outbound import calls, endpoints, leases, sender
from webhooks.outbound.sender import MOST_OF_AN_OWNER, Sender

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 10


@pytest.fixture
def running() -> Iterator[Sender]:
    """A sender as a worker process has it."""
    yield sender.current()
    sender.shut_down()


def test_two_turns_at_once_send_nothing_twice(owner: User, receiver: WebhookReceiver) -> None:
    endpoint = connect(owner, receiver)
    receiver.script(after(0.005, answering(200)))
    for number in range(1, ROUNDS + 1):
        make_events(owner, 8)
        assert failures(race(*[lambda: take_turn(endpoint)] * 3)) == []
        assert len(receiver.ids) == len(set(receiver.ids)) == 8 * number


def test_worker_that_dies_between_answer_and_note_repeats_the_same_id(
    owner: User, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = connect(owner, receiver)
    make_events(owner)

    def die(**_: object) -> bool:
        raise DatabaseError

    with monkeypatch.context() as dying:
        dying.setattr("webhooks.outbound.notes.note", die)
        with pytest.raises(DatabaseError):
            take_turn(endpoint)
    assert (len(receiver.messages), only(endpoint).state) == (1, "pending")
    # Nobody else may send before the lease has run out.
    take_turn(endpoint)
    let_time_pass(endpoint, seconds=50)
    take_turn(endpoint)
    assert len(receiver.messages) == 1
    let_time_pass(endpoint, seconds=11)
    take_turn(endpoint)
    assert (len(receiver.messages), only(endpoint).state) == (2, "delivered")
    assert receiver.ids[0] == receiver.ids[1]
    assert receiver.messages[0].body == receiver.messages[1].body


def test_lease_that_somebody_else_has_by_now_is_not_given_back(owner: User, receiver: WebhookReceiver) -> None:
    endpoint = connect(owner, receiver)
    lease = leases.take(endpoint_id=endpoint.pk)
    assert lease is not None
    let_time_pass(endpoint, seconds=61)
    other = leases.take(endpoint_id=endpoint.pk)
    assert other is not None
    make_events(owner)
    assert leases.next_due(lease=lease, limit=5) == []
    leases.release(lease=lease)
    assert now(endpoint).claimed_until_at == other.until_at
    assert len(leases.next_due(lease=other, limit=5)) == 1


def test_switched_off_or_held_endpoint_gets_no_further_batch(owner: User, receiver: WebhookReceiver) -> None:
    endpoint = connect(owner, receiver)
    make_events(owner)
    lease = leases.take(endpoint_id=endpoint.pk)
    assert lease is not None
    endpoints.turn_off(actor=owner, endpoint=endpoint)
    assert leases.next_due(lease=lease, limit=5) == []


def test_endpoints_that_hang_leave_places_for_other_owners(
    owner: User, receiver: WebhookReceiver, running: Sender, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(calls, "LIMITS", Limits(connect_seconds=5, read_seconds=14, total_seconds=14))
    with WebhookReceiver() as dead:
        settings.PERSONALQ_INTERNAL_HOSTS = [receiver.target, dead.target]
        dead.server.handler = hang
        hanging = [connect(owner, dead, name=f"hangs {number}") for number in range(MOST_OF_AN_OWNER + 3)]
        make_events(owner)
        for endpoint in hanging:
            running.deliver(endpoint.pk, owner.pk)
        assert dead.wait_for(lambda: dead.server.connections == MOST_OF_AN_OWNER)
        other = make_user()
        living = connect(other, receiver)
        make_events(other)
        running.deliver(living.pk, other.pk)
        receiver.wait_for_messages(1, seconds=10)
        assert dead.server.connections == MOST_OF_AN_OWNER
        monkeypatch.setattr(sender, "PATIENCE_SECONDS", 0.1)
        sender.shut_down()


def test_hint_during_a_turn_leads_to_another_look(owner: User, receiver: WebhookReceiver, running: Sender) -> None:
    receiver.script(after(0.3, answering(200)))
    endpoint = connect(owner, receiver)
    make_events(owner)
    running.deliver(endpoint.pk, owner.pk)
    receiver.wait_for_messages(1)
    make_events(owner)
    running.deliver(endpoint.pk, owner.pk)
    assert len(receiver.wait_for_messages(2)) == 2


def test_sweep_sends_what_no_hint_told_of(owner: User, receiver: WebhookReceiver, running: Sender) -> None:
    connect(owner, receiver)
    make_events(owner, 3)
    jobs.send_due_deliveries()
    receiver.wait_for_messages(3)


def test_sweep_leaves_held_off_and_claimed_endpoints_alone(owner: User, receiver: WebhookReceiver) -> None:
    due, held, off, claimed = (connect(owner, receiver, name=name) for name in ("due", "held", "off", "claimed"))
    make_events(owner)
    Endpoint.objects.filter(pk=held.pk).update(held_until_at="2099-01-01T00:00:00Z")
    Endpoint.objects.filter(pk=claimed.pk).update(claimed_until_at="2099-01-01T00:00:00Z")
    endpoints.turn_off(actor=owner, endpoint=off)
    assert leases.due_endpoints() == [(due.pk, owner.pk)]


def test_worker_that_stops_gives_its_lease_back(
    owner: User, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "PATIENCE_SECONDS", 0.1)
    receiver.script(hang)
    endpoint = connect(owner, receiver)
    make_events(owner)
    sender.current().deliver(endpoint.pk, owner.pk)
    receiver.wait_for_messages(1)
    sender.shut_down()
    assert (now(endpoint).claimed_until_at, only(endpoint).state) == (None, "pending")


class TestHints:
    @pytest.fixture(autouse=True)
    def told(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
        told: list[tuple[int, int]] = []
        monkeypatch.setattr(messenger, "post", lambda hint: told.append(hint.numbers))
        return told

    def test_hint_leaves_after_the_commit(self, owner: User, receiver: WebhookReceiver, told: list[object]) -> None:
        endpoint = connect(owner, receiver)
        with transaction.atomic():
            make_events(owner)
            assert (endpoint.pk, owner.pk) not in told
        assert (endpoint.pk, owner.pk) in told

    def test_no_hint_leaves_for_what_never_happened(
        self, owner: User, receiver: WebhookReceiver, told: list[object]
    ) -> None:
        endpoint = connect(owner, receiver)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            make_events(owner)
            raise ZeroDivisionError
        assert (endpoint.pk, owner.pk) not in told
        assert not Delivery.objects.exists()

    def test_no_hint_leaves_while_the_endpoint_is_held(
        self, owner: User, receiver: WebhookReceiver, told: list[object]
    ) -> None:
        receiver.script(answering(500))
        endpoint = connect(owner, receiver)
        make_events(owner)
        take_turn(endpoint)
        told.clear()
        make_events(owner, 5)
        assert (endpoint.pk, owner.pk) not in told
        assert Delivery.objects.filter(endpoint=endpoint).count() == 6


def test_events_pass_by_an_endpoint_that_is_being_deleted(owner: User, receiver: WebhookReceiver) -> None:
    endpoint = connect(owner, receiver)
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        Endpoint.objects.select_for_update().get(pk=endpoint.pk)
        endpoint.delete()
        written = pool.submit(race, lambda: make_events(owner, 5))
        # While the deletion is not committed: to wait for it would mean to fail after it.
        (tasks,) = written.result(timeout=8)
    assert len(tasks) == 5


def test_deleting_an_endpoint_while_events_are_written_harms_neither(owner: User, receiver: WebhookReceiver) -> None:
    make_events(owner)
    for _ in range(ROUNDS):
        endpoint = connect(owner, receiver)
        results = race(
            lambda: make_events(owner, 5),
            lambda endpoint=endpoint: endpoints.delete(actor=owner, endpoint=endpoint),  # type: ignore[misc]
            lambda: make_events(owner, 5),
        )
        assert failures(results) == []
    assert not Delivery.objects.exists()
