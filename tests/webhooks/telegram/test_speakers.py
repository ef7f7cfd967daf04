"""Who speaks when: hints after the commit, the sweep, and threads of their own."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tasks import lifecycle
from tasks.messenger import messenger
from tests.webhooks.telegram.making import Room, message
from tests.webhooks.telegram.troubles import finish
from webhooks import jobs
from webhooks.models import TelegramLinkCode, TelegramReply
from webhooks.telegram import links, nudges, replies, sending
from webhooks.telegram.speakers import MOST_THREADS, Speakers, speakers

SECONDS = 10.0
Callbacks = Callable[..., Any]


@pytest.fixture
def nudged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bots of which workers were told."""
    told: list[int] = []
    monkeypatch.setattr(messenger, "post", lambda hint: told.append(hint.numbers[0]) if _is_ours(hint) else None)
    return told


def _is_ours(hint: Any) -> bool:
    return bool(hint.send is nudges._send)


class TestSpeakers:
    def test_bot_that_hangs_holds_nobody_else_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        released, spoken = threading.Event(), threading.Event()

        def speak(bot_id: int) -> None:
            if bot_id == 1:
                assert released.wait(SECONDS)
            else:
                spoken.set()

        monkeypatch.setattr(sending, "speak", speak)
        mine = Speakers()
        mine.take(1)
        mine.take(2)
        assert spoken.wait(SECONDS)
        released.set()
        assert mine.wait_until_silent(SECONDS)

    def test_one_and_the_same_bot_has_one_speaker_and_what_comes_meanwhile_is_said(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun, released = threading.Semaphore(0), threading.Semaphore(0)
        at_once, most = [0], [0]

        def speak(_: int) -> None:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
            begun.release()
            assert released.acquire(timeout=SECONDS)
            at_once[0] -= 1

        monkeypatch.setattr(sending, "speak", speak)
        mine = Speakers()
        mine.take(1)
        assert begun.acquire(timeout=SECONDS)
        mine.take(1)
        mine.take(1)
        released.release()
        assert begun.acquire(timeout=SECONDS)
        released.release()
        assert mine.wait_until_silent(SECONDS)
        assert (most[0], begun.acquire(blocking=False)) == (1, False)

    def test_speaking_that_breaks_off_ends_no_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        spoken: list[int] = []

        def speak(bot_id: int) -> None:
            spoken.append(bot_id)
            raise RuntimeError("on purpose")

        monkeypatch.setattr(sending, "speak", speak)
        mine = Speakers()
        for bot_id in range(3 * MOST_THREADS):
            mine.take(bot_id)
        assert mine.wait_until_silent(SECONDS)
        assert sorted(spoken) == list(range(3 * MOST_THREADS))


class TestHints:
    def test_message_is_told_to_workers_once_it_is_written(
        self, room: Room, nudged: list[int], django_capture_on_commit_callbacks: Callbacks
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            room.post(message("buy milk"))
            assert nudged == []
        assert nudged == [room.bot.pk]

    def test_end_of_a_task_is_told_and_makes_its_thread_due(
        self, room: Room, nudged: list[int], django_capture_on_commit_callbacks: Callbacks
    ) -> None:
        room.hears("buy milk")
        room.speaks()
        with django_capture_on_commit_callbacks(execute=True):
            finish(room)
        assert set(nudged) == {room.bot.pk}
        assert room.thread().due_at is not None

    def test_tasks_from_elsewhere_nudge_no_bot(
        self, room: Room, nudged: list[int], django_capture_on_commit_callbacks: Callbacks
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            lifecycle.submit(actor=room.owner, agent=room.agent, prompt="not from Telegram")
            finish(room)
        assert nudged == []


class TestJobs:
    def test_sweep_finds_what_is_due_and_free(self, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
        taken: list[int] = []
        monkeypatch.setattr(speakers, "take", taken.append)
        jobs.speak_where_due()
        room.hears("/help")
        jobs.speak_where_due()
        TelegramReply.objects.update(claimed_until_at=timezone.now() + timedelta(seconds=60))
        jobs.speak_where_due()
        assert taken == [room.bot.pk]

    def test_old_answers_and_codes_are_forgotten(self, room: Room) -> None:
        links.make_code(actor=room.owner, bot=room.bot, agent=room.agent)
        room.hears("/help")
        room.hears("/status")
        TelegramReply.objects.filter(method="sendMessage").update(created_at=timezone.now() - timedelta(days=8))
        # What is still to be said is kept, however old.
        TelegramReply.objects.filter(pk=TelegramReply.objects.earliest("pk").pk).update(due_at=None)
        assert replies.forget_old() == 1
        before = timezone.now() - timedelta(minutes=20)
        TelegramLinkCode.objects.update(created_at=before, expires_at=before + timedelta(minutes=10))
        # The one that made the room's link, and the new one.
        assert links.forget_codes() == 1
        assert TelegramLinkCode.objects.count() == 0
