"""What a receiver gets, and what each of its answers leads to."""

import base64
import json
import logging
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from pytest_django.fixtures import Settings
from standardwebhooks.webhooks import Webhook

from accounts.models import AuditEvent, User
from personalq.lib.errors import InvalidInput
from personalq.lib.http import Limits
from personalq.lib.outbound import names
from tests.lib.outbound.cases import REFUSED_SHORT
from tests.lib.outbound.names import Names
from tests.webhooks.outbound.sending import (
    connect,
    let_time_pass,
    make_endpoint,
    make_events,
    now,
    only,
    seconds_until,
    take_turn,
)
from tests.wire.server import Exchange, Handler, answering
from tests.wire.webhook_receiver import (
    WebhookReceiver,
    after,
    close_early,
    hang,
    send_for_ever,
    stall,
    talk_garbage,
)
from webhooks.models import Delivery, DeliveryAttempt, Endpoint, Notice, NoticeChoice
from webhooks.outbound import calls, deliveries, endpoints, notes

pytestmark = pytest.mark.django_db(transaction=True)


def test_delivery_verifies_and_says_what_happened(owner: User, receiver: WebhookReceiver) -> None:
    endpoint = connect(owner, receiver)
    (task,) = make_events(owner)
    assert take_turn(endpoint) is False
    (message,) = receiver.messages
    delivery = only(endpoint)
    assert (message.type, message.data["task"]) == ("task_created", str(task.uuid))
    assert message.id == f"msg_{delivery.uuid.hex}"
    assert message.body.decode() == delivery.body
    assert message.request.headers["content-type"] == "application/json"
    assert (delivery.state, delivery.attempts, delivery.due_at) == ("delivered", 1, None)
    (attempt,) = delivery.tries.all()
    assert (attempt.status, attempt.code, attempt.head) == (200, "", "thank you")
    assert 0 < attempt.seconds < 5
    assert seconds_until(now(endpoint).last_delivered_at) > -5


@pytest.mark.security
def test_signature_of_a_delivery_is_in_no_log(
    owner: User, receiver: WebhookReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    """A-199: neither when it arrives nor when it is refused."""
    caplog.set_level(logging.DEBUG)
    receiver.script(answering(200), answering(500))
    endpoint = connect(owner, receiver)
    make_events(owner, 2)
    take_turn(endpoint)
    signatures = [message.request.headers["webhook-signature"] for message in receiver.messages]
    digests = [base64.b64decode(each.removeprefix("v1,")) for each in signatures]
    shown = "\n".join(f"{vars(record)} {record.getMessage()}" for record in caplog.records)
    assert (len(digests), bool(shown)) == (2, True)
    forms = [form for each in digests for form in (base64.b64encode(each).decode(), each.hex(), repr(each)[2:-1])]
    assert [form for form in forms if form in shown] == []


def test_deliveries_come_in_the_order_of_their_events(owner: User, receiver: WebhookReceiver) -> None:
    endpoint = connect(owner, receiver)
    make_events(owner, 45)
    take_turn(endpoint)
    told = [message.data["event"] for message in receiver.messages]
    assert told == sorted(told)
    assert len(set(told)) == 45


def test_a_turn_ends_and_tells_that_more_is_left(
    owner: User, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhooks.outbound.turns.MOST_IN_A_TURN", 30)
    endpoint = connect(owner, receiver)
    make_events(owner, 31)
    assert take_turn(endpoint) is True
    assert len(receiver.messages) == 30
    assert take_turn(endpoint) is False
    assert len(set(receiver.ids)) == 31


def test_slow_endpoint_gives_way_when_its_time_is_up(
    owner: User, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhooks.outbound.turns.TURN_SECONDS", 0.3)
    receiver.script(after(0.2, answering(200)))
    endpoint = connect(owner, receiver)
    make_events(owner, 10)
    assert take_turn(endpoint) is True
    assert 1 <= len(receiver.messages) <= 3


def pause_until(at: Any, attempt: DeliveryAttempt) -> float:
    """The seconds between an attempt and a time."""
    return float((at - attempt.at).total_seconds())


REFUSALS: dict[str, tuple[Handler, int | None, str]] = {
    "an error": (answering(500, b"broken"), 500, "bad_status"),
    "a redirect": (answering(302, b"", Location="https://elsewhere.example.org/"), None, "redirect"),
    "too many": (answering(429), 429, "bad_status"),
    "unknown": (answering(404), 404, "bad_status"),
    "garbage": (talk_garbage, None, "bad_answer"),
    "a broken connection": (close_early, None, "cut"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_failure_is_noted_and_tried_again_after_five_seconds(owner: User, receiver: WebhookReceiver, name: str) -> None:
    handler, status, code = REFUSALS[name]
    receiver.script(handler, answering(200))
    endpoint = connect(owner, receiver)
    make_events(owner, 3)
    take_turn(endpoint)
    first = Delivery.objects.order_by("event_id")[0]
    (attempt,) = first.tries.all()
    assert (attempt.status, attempt.code) == (status, code)
    assert (first.state, first.last_code) == ("pending", code)
    assert pause_until(first.due_at, attempt) == pytest.approx(5, abs=0.5)
    assert pause_until(now(endpoint).held_until_at, attempt) == pytest.approx(5, abs=0.5)
    assert len(receiver.messages) == 1
    # Nothing else is tried while the endpoint is held, however slow this machine is.
    let_time_pass(endpoint, minutes=-10)
    take_turn(endpoint)
    assert len(receiver.messages) == 1

    let_time_pass(endpoint, minutes=10, seconds=5)
    take_turn(endpoint)
    assert len(receiver.messages) == 4
    assert receiver.ids[0] == receiver.ids[1]
    assert receiver.messages[0].body == receiver.messages[1].body
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    assert (now(endpoint).failures, now(endpoint).held_until_at, now(endpoint).failing_since_at) == (0, None, None)


def test_endpoint_that_hangs_costs_one_call_and_is_held(
    owner: User, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "LIMITS", Limits(connect_seconds=1, read_seconds=0.3, total_seconds=1))
    receiver.script(hang)
    endpoint = connect(owner, receiver)
    make_events(owner, 20)
    begun = time.monotonic()
    take_turn(endpoint)
    assert time.monotonic() - begun < 5
    assert Delivery.objects.filter(attempts__gt=0).count() == 1
    assert Delivery.objects.get(attempts=1).last_code == "too_slow"
    assert len(receiver.messages) == 1


def test_an_answer_that_never_ends_counts_by_its_status(owner: User, receiver: WebhookReceiver) -> None:
    receiver.script(send_for_ever, answering(200))
    endpoint = connect(owner, receiver)
    make_events(owner)
    begun = time.monotonic()
    take_turn(endpoint)
    assert time.monotonic() - begun < 5
    (attempt,) = only(endpoint).tries.all()
    assert (attempt.status, attempt.code, attempt.head) == (200, "", "x" * 1024)


def test_an_answer_that_stalls_counts_by_its_status(
    owner: User, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "HEAD_SECONDS", 0.2)
    receiver.script(stall)
    endpoint = connect(owner, receiver)
    make_events(owner)
    take_turn(endpoint)
    assert only(endpoint).state == "delivered"


@pytest.mark.security
def test_the_answers_beginning_is_kept_without_controls_and_secrets(owner: User, receiver: WebhookReceiver) -> None:
    endpoint = connect(owner, receiver)
    said = b"\x1b[31mno\x00 \xff\xfe\nwhsec_0123456789abcdef " + receiver.secret.encode() + b" password=hunter22"
    receiver.script(answering(500, said))
    make_events(owner)
    take_turn(endpoint)
    head = only(endpoint).tries.get().head
    assert head.startswith(" [31mno  ��\n".replace("�", "\N{REPLACEMENT CHARACTER}"))
    assert "0123456789abcdef" not in head
    assert receiver.secret not in head
    assert "hunter22" not in head


ASKED = {
    "seconds": ("120", 120),
    "more than a day": ("9999999", 24 * 3600),
    "nonsense": ("soon", 5),
    "negative": ("-5", 5),
    "less than the usual pause": ("1", 5),
}


@pytest.mark.parametrize("name", ASKED)
def test_retry_after_is_honoured_within_a_day(owner: User, receiver: WebhookReceiver, name: str) -> None:
    value, seconds = ASKED[name]
    receiver.script(answering(429, b"", Retry_After=value))
    endpoint = connect(owner, receiver)
    make_events(owner)
    take_turn(endpoint)
    attempt = only(endpoint).tries.get()
    assert pause_until(now(endpoint).held_until_at, attempt) == pytest.approx(seconds, abs=0.5)
    assert pause_until(only(endpoint).due_at, attempt) == pytest.approx(seconds, abs=0.5)


def test_retry_after_may_be_a_date(owner: User, receiver: WebhookReceiver) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    receiver.script(answering(503, b"", Retry_After=at))
    endpoint = connect(owner, receiver)
    make_events(owner)
    take_turn(endpoint)
    assert seconds_until(now(endpoint).held_until_at) == pytest.approx(600, abs=5)


def test_gone_switches_the_endpoint_off_and_what_waits_goes_on_waiting(owner: User, receiver: WebhookReceiver) -> None:
    choose_notices(owner)
    receiver.script(answering(410), answering(200))
    endpoint = connect(owner, receiver)
    make_events(owner, 2)
    take_turn(endpoint)
    assert_switched_off(endpoint, "gone")
    make_events(owner)
    let_time_pass(endpoint, days=5)
    take_turn(endpoint)
    assert (len(receiver.messages), Delivery.objects.filter(state="pending").count()) == (1, 2)

    endpoints.turn_on(actor=owner, endpoint=endpoint)
    take_turn(endpoint)
    assert Delivery.objects.filter(state="delivered").count() == 2
    assert receiver.ids[1] == receiver.ids[0]


def test_endpoint_that_fails_for_three_days_is_switched_off_with_a_notice(
    owner: User, receiver: WebhookReceiver
) -> None:
    choose_notices(owner)
    receiver.script(answering(500))
    endpoint = connect(owner, receiver)
    make_events(owner)
    take_turn(endpoint)
    let_time_pass(endpoint, days=2, hours=23)
    take_turn(endpoint)
    assert now(endpoint).is_on
    make_events(owner)
    let_time_pass(endpoint, hours=5)
    take_turn(endpoint)
    assert_switched_off(endpoint, "failing")


def choose_notices(owner: User) -> None:
    NoticeChoice.objects.create(owner=owner, wants_endpoint=True)


def assert_switched_off(endpoint: Endpoint, reason: str) -> None:
    assert (now(endpoint).off_reason, now(endpoint).off_at is not None) == (reason, True)
    (audited,) = AuditEvent.objects.filter(kind="endpoint.switched_off")
    assert (audited.object_uuid, audited.facts["reason"]) == (endpoint.uuid, reason)
    assert audited.actor_uuid is None
    (notice,) = Notice.objects.all()
    assert (notice.kind, notice.facts["name"], notice.facts["reason"]) == ("endpoint", endpoint.name, reason)


def test_delivery_is_given_up_after_three_days_and_can_be_sent_again(owner: User, receiver: WebhookReceiver) -> None:
    receiver.script(answering(500), answering(500), answering(200))
    endpoint = connect(owner, receiver)
    make_events(owner)
    take_turn(endpoint)
    let_time_pass(endpoint, days=2, hours=23, minutes=59, seconds=55)
    take_turn(endpoint)
    delivery = only(endpoint)
    assert (delivery.state, delivery.due_at, delivery.attempts) == ("failed", None, 2)

    assert deliveries.redeliver_failed(endpoint=endpoint) == 1
    assert deliveries.redeliver_failed(endpoint=endpoint) == 0
    take_turn(endpoint)
    assert (only(endpoint).state, only(endpoint).attempts) == ("delivered", 3)
    assert len(set(receiver.ids)) == 1
    assert len({message.body for message in receiver.messages}) == 1


def test_one_that_arrived_can_be_sent_again_and_asking_twice_sends_it_once(
    owner: User, receiver: WebhookReceiver
) -> None:
    endpoint = connect(owner, receiver)
    make_events(owner)
    take_turn(endpoint)
    for _ in range(2):
        assert deliveries.redeliver(delivery=only(endpoint)).state == "pending"
    take_turn(endpoint)
    assert len(receiver.messages) == 2
    assert len(set(receiver.ids)) == 1


def test_event_that_its_receiver_cannot_take_holds_the_others_up_for_seconds_only(
    owner: User, receiver: WebhookReceiver
) -> None:
    endpoint = connect(owner, receiver)
    poison, *_ = make_events(owner, 4)

    async def judge(exchange: Exchange) -> None:
        status = 500 if str(poison.uuid).encode() in exchange.request.body else 200
        await exchange.answer(status)

    receiver.script(judge)
    take_turn(endpoint)
    Delivery.objects.filter(attempts=1).update(due_at=datetime.now(UTC) + timedelta(hours=1))
    let_time_pass(endpoint, seconds=5)
    take_turn(endpoint)
    assert sorted(Delivery.objects.values_list("state", flat=True)) == ["delivered"] * 3 + ["pending"]


def test_only_the_twenty_newest_attempts_are_kept(owner: User, receiver: WebhookReceiver) -> None:
    receiver.script(answering(500))
    endpoint = connect(owner, receiver)
    make_events(owner)
    Delivery.objects.update(attempts=30)
    for _ in range(22):
        take_turn(endpoint)
        let_time_pass(endpoint, hours=2)
        Delivery.objects.update(due_at=datetime.now(UTC), give_up_at=datetime.now(UTC) + timedelta(days=3))
        Endpoint.objects.update(failing_since_at=datetime.now(UTC))
    numbers = only(endpoint).tries.order_by("number").values_list("number", flat=True)
    assert list(numbers) == list(range(33, 53))


def test_receiver_that_is_down_for_an_hour_gets_every_event_once(owner: User, receiver: WebhookReceiver) -> None:
    """Simulated time: what waits is moved into the past instead of waiting for it."""
    receiver.script(answering(503))
    endpoint = connect(owner, receiver)
    made = set()
    for _ in range(60):
        made |= {str(task.uuid) for task in make_events(owner, 5)}
        let_time_pass(endpoint, minutes=1)
        take_turn(endpoint)
    tried = len(receiver.messages)
    # 300 events, and not one call for each: a dead endpoint is only asked now and then.
    assert 3 <= tried <= 20
    receiver.messages.clear()
    receiver.script(answering(200))
    let_time_pass(endpoint, hours=1)
    while take_turn(endpoint):
        pass
    let_time_pass(endpoint, hours=4)
    take_turn(endpoint)
    assert sorted(message.data["task"] for message in receiver.messages) == sorted(made)
    assert len(set(receiver.ids)) == len(receiver.ids) == 300


def test_during_a_rotation_both_secrets_sign(owner: User, receiver: WebhookReceiver) -> None:
    endpoint = connect(owner, receiver)
    old = receiver.secret
    new = endpoints.rotate(actor=owner, endpoint=endpoint, keep_old_seconds=3600)
    make_events(owner)
    take_turn(endpoint)
    (message,) = receiver.messages
    for secret in (old, new):
        Webhook(secret).verify(message.body, message.request.headers)
    assert len(message.request.headers["webhook-signature"].split(" ")) == 2

    endpoint.secrets.filter(valid_until_at__isnull=False).update(valid_until_at=datetime.now(UTC))
    make_events(owner)
    take_turn(endpoint)
    assert (len(receiver.messages), len(receiver.refused)) == (1, 1)


def test_rotation_without_overlap_ends_the_old_secret_at_once(owner: User, receiver: WebhookReceiver) -> None:
    endpoint = connect(owner, receiver)
    receiver.secret = endpoints.rotate(actor=owner, endpoint=endpoint, keep_old_seconds=0)
    make_events(owner)
    take_turn(endpoint)
    (message,) = receiver.messages
    assert len(message.request.headers["webhook-signature"].split(" ")) == 1


def test_test_event_is_sent_ahead_of_what_waits(owner: User, receiver: WebhookReceiver) -> None:
    endpoint = connect(owner, receiver)
    make_events(owner, 2)
    endpoints.send_test(endpoint=endpoint)
    endpoints.send_test(endpoint=endpoint)
    take_turn(endpoint)
    assert receiver.types == ["ping", "ping", "task_created", "task_created"]
    assert receiver.messages[0].data == {"endpoint": str(endpoint.uuid)}


# --- Addresses that may not be called ------------------------------------------------------------------

REFUSED_URLS = {
    "http://hooks.example.org/": "bad_url",
    "https://user:pass@hooks.example.org/": "bad_url",
    "https://localhost/": "bad_url",
    "https://127.0.0.1/": "address_refused",
    "https://169.254.169.254/latest/meta-data": "address_refused",
    "https://[::1]/": "address_refused",
    "https://[::ffff:127.0.0.1]/": "address_refused",
    "https://[64:ff9b::7f00:1]/": "address_refused",
    "https://10.0.0.1:8443/": "address_refused",
    "https://2130706433/": "bad_url",
    "https://0x7f.1/": "bad_url",
    "https://hooks.example.org/../admin": "bad_url",
    "https://hooks.example.org/#part": "bad_url",
    "file:///etc/passwd": "bad_url",
    "https://hooks.example.org\r\n.evil.example/": "bad_url",
}


@pytest.mark.security
@pytest.mark.parametrize("url", REFUSED_URLS)
def test_address_that_may_not_be_called_is_not_kept(owner: User, url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        make_endpoint(owner, url)
    assert [(each.field, each.code) for each in refused.value.errors] == [("target_url", REFUSED_URLS[url])]
    endpoint = make_endpoint(owner)
    with pytest.raises(InvalidInput):
        endpoints.change(actor=owner, endpoint=endpoint, target_url=url)
    assert now(endpoint).url == endpoint.url


@pytest.mark.security
@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["93.184.215.14", "10.0.0.7"], ["::1"], ["169.254.169.254"], ["fd00::1"]]
)
def test_name_that_leads_inside_is_refused_at_each_call(
    owner: User, receiver: WebhookReceiver, addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "system_addresses", lambda _: addresses)
    endpoint = make_endpoint(owner, f"https://rebound.example.org:{receiver.server.port}/")
    make_events(owner)
    take_turn(endpoint)
    assert Delivery.objects.filter(kind="task_created").get().last_code == "address_refused"
    assert (receiver.server.connections, now(endpoint).failures) == (0, 1)


@pytest.mark.security
def test_host_that_the_operator_took_off_the_list_is_not_called_any_more(
    owner: User, receiver: WebhookReceiver, settings: Settings
) -> None:
    endpoint = connect(owner, receiver)
    settings.PERSONALQ_INTERNAL_HOSTS = []
    make_events(owner)
    take_turn(endpoint)
    assert (only(endpoint).last_code, receiver.server.connections) == ("bad_url", 0)


@pytest.mark.security
def test_no_endpoint_is_called_at_an_address_that_is_refused(
    owner: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A-160: the outbound client's own table, written past the forms as rows from a time with other rules would be."""
    settings.PERSONALQ_ENDPOINTS_PER_USER = len(REFUSED_SHORT)
    asked = Names(monkeypatch, {}).asked
    made = [make_endpoint(owner) for _ in REFUSED_SHORT]
    for endpoint, case in zip(made, REFUSED_SHORT, strict=True):
        Endpoint.objects.filter(pk=endpoint.pk).update(url=case.url[:2000])
    make_events(owner)
    for endpoint in made:
        take_turn(endpoint)
    told = Delivery.objects.filter(kind="task_created").values_list("last_code", "endpoint__url")
    assert len(told) == len(REFUSED_SHORT)
    assert {(code, url) for code, url in told if code not in {"address_refused", "bad_url"}} == set()
    assert asked == []


@pytest.mark.security
def test_redirect_to_the_inside_is_not_followed(owner: User, receiver: WebhookReceiver) -> None:
    inside = f"{receiver.server.url}/inside"
    receiver.script(answering(307, b"", Location=inside))
    endpoint = connect(owner, receiver)
    make_events(owner)
    take_turn(endpoint)
    assert [request.path for request in receiver.server.requests] == ["/hooks/personal-q"]


# --- What happens to endpoints meanwhile -------------------------------------------------------------------


def test_deleted_endpoint_takes_its_deliveries_with_it(owner: User, receiver: WebhookReceiver) -> None:
    endpoint = connect(owner, receiver)
    make_events(owner, 3)
    take_turn(endpoint)
    endpoints.delete(actor=owner, endpoint=endpoint)
    assert not Delivery.objects.exists()
    with pytest.raises(ObjectDoesNotExist):
        now(endpoint)
    make_events(owner)


def test_endpoint_that_moves_begins_anew_at_once(owner: User, receiver: WebhookReceiver) -> None:
    receiver.script(answering(500), answering(200))
    endpoint = connect(owner, receiver)
    make_events(owner, 2)
    take_turn(endpoint)
    assert now(endpoint).failures == 1
    endpoints.change(actor=owner, endpoint=endpoint, target_url=f"{receiver.server.url}/elsewhere")
    assert (now(endpoint).failures, now(endpoint).held_until_at) == (0, None)
    take_turn(endpoint)
    assert receiver.messages[-1].request.path == "/elsewhere"


def test_endpoint_of_somebody_who_may_not_sign_in_gets_nothing(owner: User, receiver: WebhookReceiver) -> None:
    endpoint = connect(owner, receiver)
    make_events(owner)
    User.objects.update(is_active=False)
    take_turn(endpoint)
    assert receiver.messages == []


def test_old_deliveries_are_forgotten(owner: User, receiver: WebhookReceiver) -> None:
    endpoint = connect(owner, receiver)
    make_events(owner, 2)
    take_turn(endpoint)
    Delivery.objects.filter(pk=Delivery.objects.order_by("pk")[0].pk).update(
        created_at=datetime.now(UTC) - timedelta(days=30, minutes=1)
    )
    endpoints.rotate(actor=owner, endpoint=endpoint, keep_old_seconds=0)
    deliveries.forget_old()
    assert (Delivery.objects.count(), endpoint.secrets.count()) == (1, 1)


def test_body_is_sent_as_it_was_written(owner: User, receiver: WebhookReceiver) -> None:
    endpoint = connect(owner, receiver)
    make_events(owner)
    body = json.dumps({"type": "task_created", "data": {"title": "größer \N{SNOWMAN} \\u0041"}}, ensure_ascii=False)
    Delivery.objects.update(body=body)
    take_turn(endpoint)
    assert receiver.messages[0].body == body.encode()


def test_secret_that_cannot_be_opened_stops_the_endpoint_without_a_call(
    owner: User, receiver: WebhookReceiver, settings: Settings, caplog: Any
) -> None:
    endpoint = connect(owner, receiver)
    make_events(owner)
    settings.PERSONALQ_ENCRYPTION_KEYS = ["quite another key, of more than 32 characters: 4711"]
    take_turn(endpoint)
    assert receiver.server.connections == 0
    assert seconds_until(now(endpoint).held_until_at) > 60
    assert str(endpoint.uuid) in caplog.text


def test_late_failure_does_not_undo_what_arrived_meanwhile(owner: User, receiver: WebhookReceiver) -> None:
    endpoint = connect(owner, receiver)
    make_events(owner)
    take_turn(endpoint)
    late = calls.Answer(code="too_slow", seconds=15)
    notes.note(endpoint_id=endpoint.pk, delivery_id=only(endpoint).pk, answer=late)
    assert (only(endpoint).state, only(endpoint).attempts) == ("delivered", 2)
