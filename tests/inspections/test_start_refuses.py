"""X-CORS, X-REDIS: what an installation with HTTPS does not even start with."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from personalq.embedded.env_file import make_secret
from personalq.lib import unsafe
from tests.contracts import reading

pytestmark = pytest.mark.security

SECRETS = {
    name: make_secret()
    for name in ("SECRET_KEY", "JWT_SIGNING_KEY", "PERSONALQ_ENCRYPTION_KEYS", "PERSONALQ_AUDIT_KEYS")
}
OWN_SERVERS = {"DATABASE_URL": "postgres://a@b.invalid/c"}


def start(**environment: str) -> tuple[int, str]:
    done = reading.run_python("from personalq import settings", **{**SECRETS, **environment})
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "origin",
    [
        "http://queue.example.org", "https://localhost", "https://localhost:8000", "https://LOCALHOST.", "https://a.localhost",
        "https://127.0.0.1", "https://127.1.2.3:8000", "https://[::1]", "https://0.0.0.0", "https://[::ffff:127.0.0.1]",
    ],
)  # fmt: skip
def test_local_and_plain_origins_are_refused(origin: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="CSRF_TRUSTED_ORIGINS"):
        unsafe.refuse_local_origins("CSRF_TRUSTED_ORIGINS", ["https://queue.example.org", origin])


def test_other_origins_are_let_be() -> None:
    unsafe.refuse_local_origins("CSRF_TRUSTED_ORIGINS", ["https://queue.example.org", "https://10.0.0.5"])


@pytest.mark.parametrize("url", ["redis://127.0.0.1:6379", "redis://cache", "rediss://cache", "redis://user@cache"])
def test_redis_without_a_password_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL"):
        unsafe.refuse_bare_redis("REDIS_URL", url)


@pytest.mark.parametrize(
    "url", ["", "unix:///run/redis.sock", "redis://:password@cache", "rediss://cache?ssl_certfile=/etc/pq.pem"]
)
def test_redis_that_knows_us_is_let_be(url: str) -> None:
    unsafe.refuse_bare_redis("REDIS_URL", url)


def test_the_process_does_not_start_with_a_local_origin() -> None:
    status, said = start(CSRF_TRUSTED_ORIGINS="https://localhost:3000")
    assert (status, "CSRF_TRUSTED_ORIGINS" in said) == (1, True)
    assert start(CSRF_TRUSTED_ORIGINS="https://localhost:3000", PERSONALQ_HTTPS="false")[0] == 0
    assert start(CSRF_TRUSTED_ORIGINS="https://queue.example.org")[0] == 0


def test_the_process_does_not_start_with_a_bare_redis() -> None:
    status, said = start(REDIS_URL="redis://cache:6379", **OWN_SERVERS)
    assert (status, "REDIS_URL has no password" in said) == (1, True)
    assert start(REDIS_URL="redis://:0123456789abcdef@cache:6379", **OWN_SERVERS)[0] == 0


@pytest.mark.parametrize(
    ("unsafe_value", "named"),
    [
        ({"DEBUG": "true"}, "DEBUG is on"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS admits every host name"),
        ({"ALLOWED_HOSTS": "queue.example.org,*"}, "ALLOWED_HOSTS admits every host name"),
    ],
)
def test_the_process_does_not_start_with_what_https_may_not_have(unsafe_value: dict[str, str], named: str) -> None:
    """X-DEBUG, A-211, B-C-8: HTTPS is what is not set."""
    status, said = start(**unsafe_value)
    assert (status, named in said) == (1, True)
    assert start(**unsafe_value, PERSONALQ_HTTPS="false")[0] == 0


@pytest.mark.parametrize("https", ["true", "false"])
@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("JWT_SIGNING_KEY", "SECRET_KEY"),
        ("PERSONALQ_ENCRYPTION_KEYS", "JWT_SIGNING_KEY"),
        ("PERSONALQ_AUDIT_KEYS", "PERSONALQ_ENCRYPTION_KEYS"),
    ],
)
def test_the_process_does_not_start_with_equal_secrets(name: str, other: str, https: str) -> None:
    """X-036-2, B-P-5: both are named, and the value is not."""
    status, said = start(**{name: SECRETS[other]}, PERSONALQ_HTTPS=https)
    last = said.strip().splitlines()[-1]
    assert (status, name in last, other in last, "are equal" in last) == (1, True, True, True)
    assert SECRETS[other] not in said


def test_an_empty_environment_does_not_start() -> None:
    """A-211: nothing has a default that is a secret; A-96: what is missing is named."""
    done = reading.run_python("from personalq import settings")
    assert done.returncode == 1
    assert "SECRET_KEY is not set" in done.stderr


@pytest.mark.parametrize("name", SECRETS)
def test_each_missing_secret_is_named_without_the_others(name: str) -> None:
    """A-96, A-102: the name, and no value."""
    present = {other: value for other, value in SECRETS.items() if other != name}
    done = reading.run_python("from personalq import settings", **present)
    assert (done.returncode, f"{name} is not set" in done.stderr) == (1, True)
    assert not [value for value in present.values() if value in done.stderr]
