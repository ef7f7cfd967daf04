import uuid
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.test import Client, RequestFactory
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisConnectionError

from personalq.lib.errors import RateLimited, Unavailable
from personalq.lib.rate_limits import limit, limit_sign_in, normalised_username
from personalq.lib.rates import Rate, parse_rate

pytestmark = pytest.mark.security

REQUEST = RequestFactory().post("/")


@pytest.fixture(autouse=True)
def _counting(settings: Settings) -> None:
    settings.RATELIMIT_ENABLE = True
    cache.clear()


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


class BrokenCache:
    def add(self, *_: Any) -> None:
        raise RedisConnectionError("redis://:a-password@cache is away")


@pytest.fixture
def redis_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(caches), "__getitem__", lambda *_: BrokenCache())


def test_one_use_too_many_is_refused_until_the_window_ends(key: str) -> None:
    for _ in range(3):
        limit(REQUEST, group="tried", key=key, rate="3/m")
    with pytest.raises(RateLimited) as caught:
        limit(REQUEST, group="tried", key=key, rate="3/m")
    assert 1 <= int(caught.value.headers["Retry-After"]) <= 60
    assert caught.value.headers["RateLimit-Policy"] == '"tried";q=3;w=60'
    assert caught.value.headers["RateLimit"].startswith('"tried";r=0;t=')


def test_usage_tells_what_is_left(key: str) -> None:
    usage = limit(REQUEST, group="tried", key=key, rate="5/10m")
    assert usage is not None
    assert usage.headers["RateLimit-Policy"] == '"tried";q=5;w=600'
    assert usage.headers["RateLimit"].startswith('"tried";r=4;t=')


def test_keys_and_groups_are_counted_apart(key: str) -> None:
    limit(REQUEST, group="tried", key=key, rate="1/m")
    limit(REQUEST, group="tried", key=f"{key}x", rate="1/m")
    limit(REQUEST, group="other", key=key, rate="1/m")
    with pytest.raises(RateLimited):
        limit(REQUEST, group="tried", key=key, rate="1/m")


def keys(pattern: str) -> list[str]:
    found: list[str] = cache.keys(pattern)  # type: ignore[attr-defined]  # django-redis adds it
    return found


@pytest.mark.parametrize("key", ["a b", "\r\nFLUSHALL\r\n", "*", "x" * 1_000_000, "\ud800", "\x00", "é:?[", ""])
def test_no_key_reaches_redis_as_it_is(key: str) -> None:
    before = len(keys("*"))
    limit(REQUEST, group="tried", key=f"{uuid.uuid4()}{key}", rate="1/h")
    names = keys("rl:*")
    assert len(keys("*")) == before + 1
    assert all(name.removeprefix("rl:").isalnum() and len(name) == 67 for name in names)


def test_rate_may_be_the_name_of_a_setting(key: str, settings: Settings) -> None:
    settings.PERSONALQ_RATE_TASK_CREATE = "1/m"
    limit(REQUEST, group="tried", key=key, rate="PERSONALQ_RATE_TASK_CREATE")
    with pytest.raises(RateLimited):
        limit(REQUEST, group="tried", key=key, rate="PERSONALQ_RATE_TASK_CREATE")


@pytest.mark.parametrize(("text", "rate"), [("10/m", Rate(10, 60)), ("1/2h", Rate(1, 7200)), ("5/s", Rate(5, 1))])
def test_rates_are_read(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


def test_looking_counts_nothing_and_refuses_what_would_be_one_too_many(key: str) -> None:
    for _ in range(3):
        limit(REQUEST, group="tried", key=key, rate="1/m", is_counted=False)
    limit(REQUEST, group="tried", key=key, rate="1/m")
    with pytest.raises(RateLimited):
        limit(REQUEST, group="tried", key=key, rate="1/m", is_counted=False)


@pytest.mark.usefixtures("redis_away")
def test_work_goes_on_without_redis(key: str) -> None:
    assert limit(REQUEST, group="tried", key=key, rate="1/m") is None


@pytest.mark.usefixtures("redis_away")
def test_sign_in_does_not_go_on_without_redis(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Unavailable):
        limit_sign_in(REQUEST, "alice")
    assert "a-password" not in caplog.text


def test_vanished_counter_is_no_free_pass_to_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "personalq.lib.rate_limits.get_usage",
        lambda *_, **__: {"count": 0, "limit": 0, "should_limit": True, "time_left": -1},
    )
    with pytest.raises(Unavailable):
        limit_sign_in(REQUEST, "alice")


def sign_in(username: str, address: str = "1.2.3.4") -> None:
    limit_sign_in(RequestFactory().post("/", REMOTE_ADDR=address), username)


def is_limited(username: str, address: str = "1.2.3.4") -> bool:
    try:
        sign_in(username, address)
    except RateLimited:
        return True
    return False


class TestSignIn:
    @pytest.fixture(autouse=True)
    def _rates(self, settings: Settings) -> None:
        settings.PERSONALQ_RATE_SIGN_IN_NAME = "2/h"
        settings.PERSONALQ_RATE_SIGN_IN_ADDRESS = "5/h"

    def test_one_name_is_limited_and_the_others_are_not(self) -> None:
        assert [is_limited("alice") for _ in range(3)] == [False, False, True]
        assert not is_limited("bob")

    def test_spellings_of_one_name_count_together(self) -> None:
        assert [is_limited(name) for name in ("alice", " ALICE ", "\uff41lice")] == [False, False, True]

    def test_name_is_not_locked_for_other_addresses(self) -> None:
        assert [is_limited("alice") for _ in range(3)][-1]
        assert not is_limited("alice", "5.6.7.8")

    def test_one_address_is_limited_over_all_names(self) -> None:
        assert [is_limited(f"user-{n}") for n in range(6)] == [False] * 5 + [True]

    def test_addresses_of_one_ipv6_network_count_together(self) -> None:
        assert [is_limited("alice", f"2001:db8::{n}") for n in range(3)] == [False, False, True]

    def test_wider_network_may_do_four_times_as_much(self) -> None:
        networks = [f"2001:db8:9:{n:x}::1" for n in range(9)]
        assert [is_limited("alice", address) for address in networks] == [False] * 8 + [True]
        assert not is_limited("alice", "2001:db8:a:1::1")

    def test_wider_network_is_limited_over_all_names(self) -> None:
        networks = [f"2001:db8:9:{n:x}::1" for n in range(21)]
        tries = [is_limited(f"user-{n}", address) for n, address in enumerate(networks)]
        assert tries == [False] * 20 + [True]

    def test_refusal_of_the_wider_network_has_all_headers(self) -> None:
        for n in range(8):
            sign_in("alice", f"2001:db8:9:{n:x}::1")
        with pytest.raises(RateLimited) as caught:
            sign_in("alice", "2001:db8:9:ff::1")
        assert set(caught.value.headers) == {"Retry-After", "RateLimit-Policy", "RateLimit"}
        assert caught.value.headers["RateLimit-Policy"] == '"sign-in-name-network";q=8;w=3600'

    def test_mapped_addresses_are_not_one_bucket(self) -> None:
        assert [is_limited("alice", "::ffff:1.2.3.4") for _ in range(3)][-1]
        assert not is_limited("alice", "::ffff:5.6.7.8")

    @pytest.mark.parametrize("address", ["", "not-an-ip"])
    def test_unknown_addresses_share_a_bucket_instead_of_failing(self, address: str) -> None:
        assert [is_limited("alice", address) for _ in range(3)] == [False, False, True]


def test_names_are_levelled() -> None:
    assert normalised_username(" Stra\u00dfe\u2460 ") == "strasse1"


@pytest.mark.urls("tests.lib.urls")
def test_view_answers_429_with_the_state_of_the_limit(settings: Settings) -> None:
    settings.PERSONALQ_HTTPS = False
    settings.SECURE_SSL_REDIRECT = False
    client = Client(REMOTE_ADDR="9.8.7.6")
    answers = [client.post("/api/v1/counted") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0]["RateLimit"].startswith('"counted";r=1;t=')
    assert answers[2]["RateLimit-Policy"] == '"counted";q=2;w=60'
    assert int(answers[2]["Retry-After"]) >= 1
    assert answers[2].json()["code"] == "rate_limited"
