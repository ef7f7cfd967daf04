"""Updates and workers that come at the same moment."""

from collections import Counter
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent
from tasks.models import Task
from tests.concurrency.racing import failures, race
from tests.makers import make_user
from tests.webhooks.telegram.making import ANA, Room, make_room, message
from tests.wire.telegram_server import TelegramServer
from webhooks.models import InboundRequest, TelegramLink, TelegramThread
from webhooks.telegram import links, sending

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 10


@pytest.fixture
def room(settings: Settings) -> Any:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.RATELIMIT_ENABLE = False
    with TelegramServer() as server:
        settings.PERSONALQ_TELEGRAM_URL = server.url
        settings.PERSONALQ_INTERNAL_HOSTS = [server.target]
        settings.PERSONALQ_PUBLIC_URL = "https://q.example.org"
        yield make_room(make_user(), server)


def test_update_that_is_delivered_twice_at_once_makes_one_task(room: Room) -> None:
    for _ in range(ROUNDS):
        update = message("buy milk")
        answers = race(*[lambda update=update: room.post(update).status_code] * 4)
        assert answers == [200] * 4
    assert (Task.objects.count(), InboundRequest.objects.count()) == (ROUNDS, ROUNDS)


def test_messages_at_once_get_numbers_of_their_own(room: Room) -> None:
    updates = [message("again") for _ in range(8)]
    assert failures(race(*[lambda one=one: room.post(one) for one in updates])) == []
    assert sorted(TelegramThread.objects.values_list("number", flat=True)) == list(range(1, 9))


def test_two_workers_say_each_thing_once(room: Room) -> None:
    for _ in range(ROUNDS):
        room.hears("/help")
        room.hears("buy milk")
        assert failures(race(*[lambda: sending.speak(room.bot.pk)] * 4)) == []
    # Whoever found the bot spoken for has left; nothing may be left over.
    sending.speak(room.bot.pk)
    said = Counter(room.telegram.texts(ANA))
    assert len(said) == ROUNDS + 1
    assert sum(said.values()) == 2 * ROUNDS


def test_bot_says_one_thing_after_the_other(room: Room) -> None:
    for _ in range(20):
        room.hears("/help")
    race(*[lambda: sending.speak(room.bot.pk)] * 4)
    sending.speak(room.bot.pk)
    answered = [said.payload["reply_parameters"]["message_id"] for said in room.telegram.chats[ANA]]
    assert len(answered) == 20
    assert answered == sorted(answered)


def test_code_that_is_sent_twice_at_once_links_one_chat(room: Room) -> None:
    for chat in range(100, 100 + ROUNDS * 2, 2):
        code = links.make_code(actor=room.owner, bot=room.bot, agent=room.agent)
        texts = [message(f"/start {code.text}", chat=each, sender=each) for each in (chat, chat + 1)]
        race(*[lambda one=one: room.post(one) for one in texts])
        assert TelegramLink.objects.filter(chat_id__in=(chat, chat + 1)).count() == 1


def test_stranger_who_writes_much_at_once_is_mentioned_once(room: Room) -> None:
    updates = [message("hello", chat=77, sender=77) for _ in range(8)]
    assert failures(race(*[lambda one=one: room.post(one) for one in updates])) == []
    assert AuditEvent.objects.filter(kind="telegram.stranger").count() == 1
