from collections.abc import Iterator

import pytest
from pytest_django import Settings

from accounts.models import User
from tests.accounts.clients import SecureClient
from tests.makers import make_user
from tests.realtime.pages.conftest import browser_of
from tests.wire.smtp_server import SmtpServer
from webhooks.notices import choices


@pytest.fixture(autouse=True)
def fast_hashing(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def page(alice: User) -> SecureClient:
    """Alice's browser."""
    return browser_of(alice)


@pytest.fixture
def mail(settings: Settings) -> Iterator[SmtpServer]:
    """A mail server that the product sends through."""
    with SmtpServer() as server:
        settings.PERSONALQ_EMAIL_IS_ON = True
        settings.PERSONALQ_PUBLIC_URL = "https://q.example.org"
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        yield server


@pytest.fixture
def reader(mail: SmtpServer) -> User:
    """Somebody who wants to be told everything."""
    user = make_user("reader", email="reader@example.org")
    wishes = dict.fromkeys(choices.WISHES, True)
    choices.change(actor=user, batch_minutes=1, **wishes)
    return user
