"""What a request holds never becomes a name in Redis: not a user name, not a key of the client's own, not a search."""

import re
from typing import Any

import pytest
from django.core.cache import cache
from django_redis import get_redis_connection

from accounts.models import User
from tests.makers import make_agent
from tests.tasks.api.client import Api

pytestmark = [pytest.mark.security, pytest.mark.django_db]

HOSTILE = [
    "a b",
    "\r\nFLUSHALL\r\n",
    "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n",
    "*",
    "?",
    "[a-z]",
    ":1:",
    "ä",
    "x" * 20_000,
]
NAME = re.compile(rb"[A-Za-z0-9:_.-]{1,150}")


@pytest.fixture(autouse=True)
def fast(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()


def send(alice: Api, value: str) -> list[int]:
    """The value in every place of which a key could be made."""
    answers = [
        Api().post("auth/token", {"username": value, "password": value}),
        Api().post("auth/refresh", {"refresh": value}),
        alice.get("tasks", search=value),
        alice.get("tasks", cursor=value),
        alice.post("tasks", {"agent": value, "prompt": value, "concurrency_key": value}),
        alice.post("tasks", {"agent": "scribe", "prompt": "p"}, key=value.encode("ascii", "replace").decode()),
        alice.get(f"agents/{value.encode().hex()}"),
    ]
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value[:12]))
def test_no_value_of_a_request_becomes_a_name(alice: User, value: str) -> None:
    """A-80, A-127, A-134: every name is of ours, and nothing that was there is gone."""
    make_agent(alice, name="scribe")
    cache.set("stays", "here")
    statuses = send(Api(alice), value)
    names = set(get_redis_connection("default").keys("*"))
    assert max(statuses) < 500
    assert cache.get("stays") == "here"
    assert [name for name in names if not NAME.fullmatch(name)] == []
