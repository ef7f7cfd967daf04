"""Voice agents that repeat themselves at the same moment, and workers that want the same recording."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from pytest_django.fixtures import Settings

from accounts.models import User
from tasks.models import Task
from tests.concurrency.racing import failures, race
from tests.makers import make_credential, make_user
from tests.webhooks.telegram.making import Room, make_room, message
from tests.webhooks.voice.making import make_voice
from tests.wire.elevenlabs_server import KEY, ElevenLabs
from tests.wire.telegram_server import TelegramServer
from webhooks.models import InboundRequest, TelegramBot, TelegramRecording
from webhooks.telegram import recordings
from webhooks.voice import tools
from webhooks.voice.tools import Caller

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 10


@pytest.fixture
def owner() -> User:
    return make_user()


@pytest.fixture
def elevenlabs() -> Iterator[ElevenLabs]:
    with ElevenLabs() as server:
        yield server


@pytest.fixture
def room(owner: User, elevenlabs: ElevenLabs, settings: Settings) -> Iterator[Room]:
    cache.clear()
    with TelegramServer() as telegram:
        settings.PERSONALQ_TELEGRAM_URL, settings.PERSONALQ_ELEVENLABS_URL = telegram.url, elevenlabs.url
        settings.PERSONALQ_INTERNAL_HOSTS = [telegram.target, elevenlabs.target]
        room = make_room(owner, telegram)
        credential = make_credential(owner, provider="elevenlabs", secret=KEY)
        TelegramBot.objects.update(speech_credential=credential)
        telegram.files["F1"] = b"OggS"
        yield room


@pytest.mark.parametrize("more", [{}, {"request_id": "r-1"}])
def test_words_that_come_twice_at_once_make_one_task(more: dict[str, str], owner: User) -> None:
    caller = Caller(door=make_voice(owner).door, conversation="conv_1")
    for number in range(ROUNDS):
        arguments = {"prompt": f"task {number}", **{name: f"{value}{number}" for name, value in more.items()}}
        results = race(*[lambda: tools.use(caller=caller, tool="add_task", arguments=arguments)] * 4)  # noqa: B023
        assert failures(results) == []
        assert Task.objects.count() == number + 1
        assert sorted(answer.result["repeated"] for answer in results) == [False, True, True, True]
        assert len({answer.result["task"]["id"] for answer in results}) == 1


def test_words_that_come_again_after_a_minute_make_one_task_more(owner: User) -> None:
    caller = Caller(door=make_voice(owner).door, conversation="conv_1")
    for number in range(ROUNDS):
        results = race(*[lambda: tools.use(caller=caller, tool="add_task", arguments={"prompt": "again"})] * 4)
        assert failures(results) == []
        assert Task.objects.count() == number + 1
        InboundRequest.objects.update(at="2026-01-01T00:00:00Z")


def test_recording_that_two_workers_want_makes_one_task(room: Room, elevenlabs: ElevenLabs) -> None:
    for number in range(ROUNDS):
        update = message("", voice={"file_id": "F1", "duration": 1})
        del update["message"]["text"]
        assert room.post(update).status_code == 200
        results = race(*[recordings.hear_next] * 4)
        assert failures(results) == []
        assert results.count(True) == 1
        assert (Task.objects.count(), len(elevenlabs.heard)) == (number + 1, number + 1)
    assert not TelegramRecording.objects.filter(due_at__isnull=False).exists()


def test_lease_that_is_lost_while_the_task_is_made_makes_no_second_one(room: Room) -> None:
    for number in range(ROUNDS):
        update = message("", voice={"file_id": "F1", "duration": 1})
        del update["message"]["text"]
        assert room.post(update).status_code == 200
        held = recordings._claim_next()
        assert held is not None
        results = race(*[lambda: recordings._bring_in(held, "words")] * 3)  # noqa: B023
        assert [type(each) for each in failures(results)] == [recordings.LeaseLost] * 2
        assert Task.objects.count() == number + 1
