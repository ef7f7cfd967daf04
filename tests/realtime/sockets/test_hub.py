"""What the hub and the guard do when something happens while they wait for the database."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from realtime import announcer, pages
from realtime.answers import Answers
from realtime.frames import Frame
from realtime.guard import Guard
from realtime.hub import Hub
from realtime.messages import Subscribe
from realtime.outbox import Outbox
from realtime.pages import Page
from realtime.session import Session
from realtime.subscriptions import Subscription, Subscriptions
from tasks import events
from tasks.feed import FeedEvent
from tests.makers import make_agent, make_task, make_user


class FakeThreads:
    """Answers in place of the database, and lets something happen while one waits for it."""

    def __init__(self, answer: Callable[..., Any], meanwhile: Callable[[], None]) -> None:
        self._answer = answer
        self._meanwhile = meanwhile

    async def run(self, _: Any, **arguments: Any) -> Any:
        answer = self._answer(**arguments)
        self._meanwhile()
        return answer


async def swallow(_: Any) -> None:
    """Take what is sent."""


class Listener(Session):
    """A session of user 1 without a sign-in."""

    def __init__(self) -> None:
        self.user_id = 1
        self.outbox = Outbox(swallow, limit_bytes=100_000)
        self.subscriptions = Subscriptions(1)
        self.standing = (1, uuid4(), "stamp")
        self.resume_point = None


def event(number: int) -> FeedEvent:
    return FeedEvent(number, 5, uuid4(), 1, 0, "task_edited", {}, datetime.now(UTC))


def history(*, after: int, wants_events: bool) -> Page:
    """Three events, as the database would tell of them."""
    return Page([event(number) for number in range(after + 1, 4)] if wants_events else [], 3)


async def test_who_begins_to_listen_during_an_empty_reading_misses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub, listener = Hub(), Listener()
    listener.subscriptions.add(Subscription("all", None, told_from=0))
    offered: list[Any] = []
    monkeypatch.setattr(listener.outbox, "offer", offered.append)
    hub._threads = FakeThreads(history, lambda: hub.attach(listener))  # type: ignore[assignment]
    await hub._catch_up()
    assert len(offered) == 3


async def test_history_is_not_read_for_nobody() -> None:
    hub, asked = Hub(), []

    def answer(*, after: int, wants_events: bool) -> Page:
        asked.append(wants_events)
        return Page([], 3)

    hub._threads = FakeThreads(answer, lambda: None)  # type: ignore[assignment]
    await hub._catch_up()
    assert (asked, hub.cursor) == ([False], 3)


async def test_cursor_never_goes_back() -> None:
    hub = Hub()
    horizons = iter([10, 4])
    hub._threads = FakeThreads(lambda **_: Page([], next(horizons)), lambda: None)  # type: ignore[assignment]
    await hub._catch_up()
    await hub._catch_up()
    assert hub.cursor == 10


async def test_nudge_during_a_reading_leads_to_another() -> None:
    hub = Hub()
    hub._threads = FakeThreads(lambda **_: Page([], 3), hub.nudge)  # type: ignore[assignment]
    await hub._catch_up()
    async with asyncio.timeout(0.5):
        await hub._nudged.wait()


async def test_answer_waits_until_the_hub_knows_what_was_committed_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub, listener = Hub(), Listener()
    said: list[Frame] = []
    monkeypatch.setattr(listener.outbox, "offer", said.append)
    monkeypatch.setattr("realtime.answers.threads", FakeThreads(lambda: 5, lambda: None))
    subscribing = asyncio.create_task(Answers(listener, hub).subscribe(Subscribe(to="all")))
    async with asyncio.timeout(20):
        await hub._nudged.wait()
        assert said == []
        hub._move_to(5)
        await subscribing
    assert '"last_event_id":5' in said[0].message["text"]


@pytest.mark.security
async def test_event_of_a_page_goes_to_its_owner_only(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, stranger = Hub(), Listener()
    stranger.user_id = stranger.subscriptions.owner_id = 2
    for name, task_id in (("all", None), ("some-task", 5)):
        stranger.subscriptions.add(Subscription(name, task_id, told_from=0))
    hub.attach(stranger)
    monkeypatch.setattr(stranger.outbox, "offer", pytest.fail)
    hub._threads = FakeThreads(history, lambda: None)  # type: ignore[assignment]
    await hub._catch_up()
    assert hub.cursor == 3


async def test_sign_in_renewed_during_the_check_is_not_ended() -> None:
    listener = Listener()

    def renew() -> None:
        listener.standing = (1, uuid4(), "stamp")

    guard = Guard([listener], lambda *_: None)
    guard._threads = FakeThreads(lambda **_: set(), renew)  # type: ignore[assignment]
    await guard._end_signed_out()
    assert not listener.outbox.is_closing
    guard._threads = FakeThreads(lambda **_: set(), lambda: None)  # type: ignore[assignment]
    await guard._end_signed_out()
    assert listener.outbox.is_closing


@pytest.mark.django_db(transaction=True)
def test_failing_announcement_is_not_the_writers_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task(make_agent(make_user()))
    calls = []

    def fail() -> None:
        calls.append(1)
        raise RuntimeError

    monkeypatch.setattr(announcer, "announce", fail)
    with transaction.atomic():
        events.record(task, events.EDITED)
    assert calls


@pytest.mark.django_db
def test_page_of_two_readings_leaves_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_SIZE", 3)
    owner = make_user()
    own = make_task(make_agent(owner))
    foreign = make_task(make_agent(make_user()))
    for task in (own, own, foreign, own, own, foreign):
        events.record(task, events.EDITED)
    expected = sorted([*own.events.values_list("id", flat=True), *foreign.events.values_list("id", flat=True)])
    read: list[int] = []
    position = 0
    while position < expected[-1]:
        page = pages.read_for(owner_id=owner.pk, task_ids=[foreign.pk], after=position, up_to=expected[-1])
        read += [one.id for one in page.events]
        position = page.reached
    assert read == expected
