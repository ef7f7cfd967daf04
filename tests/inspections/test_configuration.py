"""The inspections of settings, each in a bad and in a good state."""

from typing import Any

import pytest
from django.db import connection

from personalq.lib.inspections import configuration
from tests.inspections.looking import grade_of, look

pytestmark = pytest.mark.security

GOOD: dict[str, Any] = {
    "DEBUG": False,
    "PERSONALQ_HTTPS": True,
    "ALLOWED_HOSTS": ["queue.example.org"],
    "CSRF_TRUSTED_ORIGINS": ["https://other.example.org"],
    "PERSONALQ_TRUSTED_PROXIES": ["10.0.0.5", "fd00::/96", "unix"],
    "PERSONALQ_OPERATORS_NEED_SECOND_FACTOR": True,
    "PERSONALQ_PUBLIC_URL": "https://queue.example.org",
    "PERSONALQ_EMAIL_IS_ON": True,
    "EMAIL_HOST": "mail.example.org",
    "EMAIL_USE_TLS": True,
    "EMAIL_USE_SSL": False,
}


@pytest.fixture(autouse=True)
def production(settings: Any) -> Any:
    for name, value in GOOD.items():
        setattr(settings, name, value)
    return settings


@pytest.mark.parametrize(
    ("name", "grade", "changes"),
    [
        ("settings.debug", "critical", {"DEBUG": True}),
        ("settings.https", "high", {"PERSONALQ_HTTPS": False}),
        ("settings.https", "low", {"PERSONALQ_HTTPS": False, "ALLOWED_HOSTS": ["localhost", "127.0.0.1"]}),
        ("settings.hosts", "high", {"ALLOWED_HOSTS": ["*"]}),
        ("settings.hosts", "low", {"ALLOWED_HOSTS": [".example.org"]}),
        ("settings.origins", "high", {"CSRF_TRUSTED_ORIGINS": ["https://localhost:3000"]}),
        ("settings.origins", "high", {"CSRF_TRUSTED_ORIGINS": ["https://127.8.0.1"]}),
        ("settings.origins", "high", {"CSRF_TRUSTED_ORIGINS": ["http://other.example.org"]}),
        ("settings.origins", "low", {"CSRF_TRUSTED_ORIGINS": ["http://localhost"], "PERSONALQ_HTTPS": False}),
        ("settings.proxies", "critical", {"PERSONALQ_TRUSTED_PROXIES": ["0.0.0.0/0"]}),
        ("settings.proxies", "critical", {"PERSONALQ_TRUSTED_PROXIES": ["::/0"]}),
        ("settings.proxies", "medium", {"PERSONALQ_TRUSTED_PROXIES": ["10.0.0.0/8"]}),
        ("settings.second_factor", "medium", {"PERSONALQ_OPERATORS_NEED_SECOND_FACTOR": False}),
        (
            "settings.second_factor",
            "low",
            {"PERSONALQ_OPERATORS_NEED_SECOND_FACTOR": False, "ALLOWED_HOSTS": ["localhost"]},
        ),
        ("settings.email", "medium", {"EMAIL_USE_TLS": False}),
        ("settings.limits", "medium", {"PERSONALQ_RATE_SIGN_IN_NAME": "1000/s"}),
        ("settings.limits", "medium", {"RATELIMIT_ENABLE": False}),
        ("settings.public_url", "low", {"PERSONALQ_PUBLIC_URL": ""}),
        ("settings.checks", "medium", {"SECURE_SSL_REDIRECT": False}),
    ],
)
def test_an_unsafe_setting_is_found_and_a_safe_one_is_not(
    name: str, grade: str, changes: dict[str, Any], settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    if name != "settings.checks":
        assert grade_of(name) == "ok"
    for setting, value in changes.items():
        setattr(settings, setting, value)
    assert grade_of(name) == grade


def test_deployment_checks_that_find_nothing_are_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "run_checks", lambda **_: [])
    assert grade_of("settings.checks") == "ok"


def test_deployment_checks_count_with_https_only(settings: Any) -> None:
    settings.PERSONALQ_HTTPS = False
    assert grade_of("settings.checks") == "info"


@pytest.mark.django_db
def test_a_lifted_statement_timeout_is_found_as_it_is_in_force() -> None:
    assert grade_of("settings.timeouts") == "ok"
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
    result = look("settings.timeouts")
    assert (result.grade, "statement_timeout" in result.sentence) == ("medium", True)
