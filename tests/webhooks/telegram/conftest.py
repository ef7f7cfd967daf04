from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from accounts.models import User
from tests.webhooks.telegram.making import Room, make_room
from tests.wire.telegram_server import TelegramServer


@pytest.fixture
def telegram(settings: Settings) -> Iterator[TelegramServer]:
    with TelegramServer() as server:
        settings.PERSONALQ_TELEGRAM_URL = server.url
        settings.PERSONALQ_INTERNAL_HOSTS = [server.target]
        settings.PERSONALQ_PUBLIC_URL = "https://q.example.org"
        yield server


@pytest.fixture
def room(db: None, owner: User, telegram: TelegramServer) -> Room:
    return make_room(owner, telegram)
