import secrets
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from personalq.lib import env

pytestmark = pytest.mark.security

NAME = "PERSONALQ_TRIED"
GOOD = "kT9-vq3xWz7LmP2rYb8nHc5sJd4fGa6e"


def message_of(call: object, *arguments: object, **options: object) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        call(*arguments, **options)  # type: ignore[operator]
    return str(caught.value)


def test_good_secret_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, f" {GOOD}\n")
    assert env.secret(NAME) == GOOD


def test_secret_may_begin_with_a_dollar_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, f"${GOOD}")
    assert env.secret(NAME) == f"${GOOD}"


@given(st.builds(secrets.token_urlsafe, st.just(48)) | st.builds(secrets.token_hex, st.just(32)))
def test_generated_secrets_are_taken(value: str) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv(NAME, value)
        assert env.secret(NAME) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        GOOD[:31],
        "changeme",
        "changeme-" * 4,
        "change-me-to-something-long-and-random",
        "secret" * 6,
        "secret-value-that-is-long-enough-to-pass",
        "my-password-is-longer-than-32-characters",
        "test-key-for-the-development-of-things",
        "default-value-of-the-documentation-page",
        "admin-admin-admin-admin-admin-admin-ad",
        "your-secret-key-goes-here-please-change",
        "django-insecure-#$%kT9vq3xWz7LmP2rYb8nHc",
        "replace-with-the-output-of-the-command-0",
        "a" * 64,
        "ab" * 32,
        "0123456789" * 5,
        "kT9-vq3x" * 8,
        "aabbaabbaabbaabbccddaabbccddaabbccaa",
    ],
)
def test_weak_secret_is_refused_by_name_and_never_by_value(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    message = message_of(env.secret, NAME)
    assert NAME in message
    assert not value.strip() or value not in message


def test_missing_secret_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)
    assert "token_urlsafe" in message_of(env.secret, NAME)
    assert env.optional_secret(NAME) is None


class TestSecretFile:
    def test_file_is_read(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(f"{GOOD}\n")
        monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
        assert env.secret(NAME) == GOOD

    def test_weak_content_is_refused(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("short-canary")
        monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
        assert "canary" not in message_of(env.secret, NAME)

    @pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
    def test_unreadable_file_is_named_by_its_variable(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
    ) -> None:
        if content is not None:
            (tmp_path / "secret").write_bytes(content)
        monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
        assert f"{NAME}_FILE" in message_of(env.secret, NAME)

    def test_both_forms_at_once_are_refused(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv(NAME, GOOD)
        monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
        assert "both" in message_of(env.secret, NAME)


def test_equal_secrets_are_refused() -> None:
    env.distinct({"A": GOOD, "B": GOOD[::-1]})
    message = message_of(env.distinct, {"A": GOOD, "B": GOOD[::-1], "C": GOOD})
    assert "A and C" in message
    assert GOOD not in message


@pytest.mark.parametrize("value", ["true", "1", "YES", "on", " True "])
def test_true(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    assert env.boolean(NAME, default=False) is True


@pytest.mark.parametrize("value", ["ture", "2", "enabled", "-"])
def test_misspelt_boolean_is_refused_instead_of_meaning_false(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    assert NAME in message_of(env.boolean, NAME, default=True)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "x", "11", "\uff11", "1e3", "9" * 400])
def test_bad_number_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    assert NAME in message_of(env.positive_int, NAME, 5, 10)


def test_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.positive_int(NAME, 5, 10) == 5
    monkeypatch.setenv(NAME, "10")
    assert env.positive_int(NAME, 5, 10) == 10
    monkeypatch.setenv(NAME, "0.5")
    assert env.positive_float(NAME, 1.0, 10) == 0.5


@pytest.mark.parametrize("value", ["[]", "1", "{", "null", "[" * 100_000])
def test_bad_object_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    assert NAME in message_of(env.json_object, NAME)


def test_commands_are_argv_with_absolute_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, '{"count": "/usr/bin/wc", "sort": ["/usr/bin/sort", "-r"]}')
    assert env.commands(NAME) == {"count": ["/usr/bin/wc"], "sort": ["/usr/bin/sort", "-r"]}


@pytest.mark.parametrize(
    "value",
    [
        '{"a": "wc"}',
        '{"a": []}',
        '{"a": [1]}',
        '{"a b": "/bin/wc"}',
        '{"a": null}',
        '{"a": ["/bin/wc", "\\u0000"]}',
    ],
)
def test_bad_commands_are_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    assert NAME in message_of(env.commands, NAME)


def test_one_redis_becomes_three_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "redis://:pw@cache:6379")
    assert env.redis_urls(NAME) == tuple(f"redis://:pw@cache:6379/{number}" for number in range(3))
    monkeypatch.setenv(NAME, "unix:///run/redis.sock")
    assert env.redis_urls(NAME) == (
        "unix:///run/redis.sock?db=0",
        "unix:///run/redis.sock?db=1",
        "redis+socket:///run/redis.sock?virtual_host=2",
    )


def test_encrypted_redis_has_to_show_a_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "rediss://:pw@cache:6379")
    assert env.redis_urls(NAME)[2] == "rediss://:pw@cache:6379/2?ssl_cert_reqs=required"
    monkeypatch.setenv(NAME, "rediss://cache?ssl_cert_reqs=none&ssl_ca_certs=/ca.pem")
    assert env.redis_urls(NAME)[0] == "rediss://cache/0?ssl_cert_reqs=none&ssl_ca_certs=%2Fca.pem"


@pytest.mark.parametrize("value", ["http://cache", "redis://cache/3", "cache:6379"])
def test_bad_redis_address_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    assert NAME in message_of(env.redis_urls, NAME)


def test_https_refuses_debug_and_any_host() -> None:
    env.refuse_unsafe(debug=False, allowed_hosts=["queue.example.org", ".example.org"])
    with pytest.raises(ImproperlyConfigured, match="DEBUG"):
        env.refuse_unsafe(debug=True, allowed_hosts=["queue.example.org"])
    for hosts in (["*"], ["queue.example.org", "."]):
        with pytest.raises(ImproperlyConfigured, match="ALLOWED_HOSTS"):
            env.refuse_unsafe(debug=False, allowed_hosts=hosts)


def test_servers_come_in_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.both_or_neither("TRIED_A", "TRIED_B") is False
    monkeypatch.setenv("TRIED_A", "x")
    assert "TRIED_B" in message_of(env.both_or_neither, "TRIED_A", "TRIED_B")
    monkeypatch.setenv("TRIED_B", "x")
    assert env.both_or_neither("TRIED_A", "TRIED_B") is True


def test_real_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{NAME}=file\nTRIED_OTHER=file\n")
    monkeypatch.delenv("PERSONALQ_ENV_FILE", raising=False)
    monkeypatch.setenv(NAME, "real")
    monkeypatch.setenv("TRIED_OTHER", "x")
    monkeypatch.delenv("TRIED_OTHER")
    env.load_file(tmp_path)
    assert env.text(NAME) == "real"
    assert env.text("TRIED_OTHER") == "file"


def test_named_file_must_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PERSONALQ_ENV_FILE", str(tmp_path / "missing"))
    assert "PERSONALQ_ENV_FILE" in message_of(env.load_file, tmp_path)


@pytest.mark.parametrize("value", ["10", "10/x", "-1/m", "10/0m", "ten/m", "10/m/m", "1.5/m"])
def test_bad_rate_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    assert NAME in message_of(env.rate, NAME, "1/m")
