from pathlib import Path

import pytest
from pytest_django import Settings

from personalq.lib.checks import check_deployment, check_programs, check_safety
from personalq.lib.commands import Command, Workspace

pytestmark = pytest.mark.security


def safety() -> list[str | None]:
    return [message.id for message in check_safety()]


def deployment() -> list[str | None]:
    return [message.id for message in check_deployment()]


@pytest.fixture
def production(settings: Settings) -> Settings:
    settings.PERSONALQ_HTTPS = True
    settings.DEBUG = False
    settings.ALLOWED_HOSTS = ["queue.example.org"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://queue.example.org"]
    settings.REDIS_LAYER_URL = settings.REDIS_CACHE_URL = "rediss://:a-password@cache:6379/0"
    settings.CELERY_BROKER_URL = "redis+socket:///run/redis.sock?virtual_host=2"
    return settings


def test_sound_production_passes(production: Settings) -> None:
    assert safety() == []
    assert deployment() == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ALLOWED_HOSTS", ["*"], "personalq.E001"),
        ("DEBUG", True, "personalq.E002"),
        ("PERSONALQ_TRUSTED_PROXIES", ["proxy.local"], "personalq.E005"),
        ("PERSONALQ_RATE_TASK_CREATE", "many", "personalq.E006"),
    ],
)
def test_unsafe_value_is_an_error(production: Settings, name: str, value: object, expected: str) -> None:
    setattr(production, name, value)
    assert safety() == [expected]


def test_layers_in_another_order_are_an_error(production: Settings) -> None:
    production.MIDDLEWARE = [*production.MIDDLEWARE[1:], production.MIDDLEWARE[0]]
    assert safety() == ["personalq.E003", "personalq.E004"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("CSRF_TRUSTED_ORIGINS", ["https://localhost:3000"], "personalq.W001"),
        ("CSRF_TRUSTED_ORIGINS", ["http://queue.example.org"], "personalq.W001"),
        ("CSRF_TRUSTED_ORIGINS", ["https://127.0.0.1"], "personalq.W001"),
        ("REDIS_CACHE_URL", "redis://cache:6379/1", "personalq.W002"),
        ("CELERY_BROKER_URL", "redis://cache:6379/2", "personalq.W002"),
    ],
)
def test_unsafe_deployment_is_a_warning(production: Settings, name: str, value: object, expected: str) -> None:
    setattr(production, name, value)
    assert deployment() == [expected]


def test_loopback_installation_may_be_loose(production: Settings) -> None:
    production.PERSONALQ_HTTPS = False
    production.ALLOWED_HOSTS = ["*"]
    production.REDIS_CACHE_URL = "redis://localhost:6379/1"
    assert safety() == []
    assert deployment() == []


def test_every_message_has_a_hint(production: Settings) -> None:
    production.ALLOWED_HOSTS = ["*"]
    production.DEBUG = True
    assert all(message.hint for message in check_safety())


def test_program_or_workspace_that_is_not_there_is_a_warning(settings: Settings, tmp_path: Path) -> None:
    settings.PERSONALQ_COMMANDS = {
        "there": Command(argv=("/bin/sh",)),
        "gone": Command(argv=("/nowhere/program", "secret-argument")),
        "directory": Command(argv=("/usr",)),
    }
    settings.PERSONALQ_WORKSPACES = {"there": Workspace(path=str(tmp_path)), "none": Workspace(path="/nowhere")}
    found = check_programs()
    assert [message.id for message in found] == ["personalq.W003"] * 3
    told = " ".join(str(message) for message in found)
    assert "'gone'" in told
    assert "'directory'" in told
    assert "'none'" in told
    assert "secret-argument" not in told
