import pytest
from django.test import Client
from pytest_django import Settings


@pytest.fixture
def loopback(settings: Settings) -> Settings:
    """The installation on one machine: no HTTPS."""
    settings.PERSONALQ_HTTPS = False
    settings.SECURE_SSL_REDIRECT = False
    settings.SECURE_HSTS_SECONDS = 0
    settings.PERSONALQ_TRUSTED_PROXIES = []
    settings.ROOT_URLCONF = "tests.lib.urls"
    return settings


@pytest.fixture
def production(settings: Settings) -> Settings:
    """An installation for others: HTTPS everywhere."""
    settings.PERSONALQ_HTTPS = True
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 63_072_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    settings.SECURE_HSTS_PRELOAD = True
    settings.PERSONALQ_TRUSTED_PROXIES = []
    settings.ROOT_URLCONF = "tests.lib.urls"
    return settings


@pytest.fixture
def quiet_client() -> Client:
    """A client that shows answers to errors instead of raising them."""
    return Client(raise_request_exception=False)
