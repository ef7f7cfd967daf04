from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from tests.wire.webhook_receiver import WebhookReceiver


@pytest.fixture
def receiver(settings: Settings) -> Iterator[WebhookReceiver]:
    """A receiver that may be called."""
    with WebhookReceiver() as receiver:
        settings.PERSONALQ_INTERNAL_HOSTS = [receiver.target]
        settings.PERSONALQ_PUBLIC_URL = "https://q.example.org"
        yield receiver
