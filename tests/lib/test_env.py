import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from personalq.embedded.env_file import make_secret
from personalq.lib import env
from personalq.lib.commands import Command, Workspace

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


@pytest.mark.parametrize("value", [None, ""])
def test_secret_that_need_not_be_is_an_empty_text(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv(NAME, raising=False)
    else:
        monkeypatch.setenv(NAME, value)
    assert env.optional_secret(NAME) == ""
    monkeypatch.setenv(NAME, "weak")
    assert NAME in message_of(env.optional_secret, NAME)


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


@pytest.mark.parametrize("value", ["1", "29", "401", "-1", "x"])
def test_days_that_are_too_few_or_too_many_are_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    assert NAME in message_of(env.days_kept, NAME, 60, 400, fewest=30)


@pytest.mark.parametrize(("value", "days"), [("", 60), ("0", 0), ("30", 30), ("400", 400)])
def test_days_are_some_or_for_ever(monkeypatch: pytest.MonkeyPatch, value: str, days: int) -> None:
    monkeypatch.setenv(NAME, value)
    assert env.days_kept(NAME, 60, 400, fewest=30) == days


@pytest.mark.parametrize("value", ["[]", "1", "{", "null", "[" * 100_000])
def test_bad_object_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    assert NAME in message_of(env.json_object, NAME)


def test_commands_and_workspaces_come_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, '{"count": "/usr/bin/wc", "sort": ["/usr/bin/sort", "-r"]}')
    assert env.commands(NAME) == {
        "count": Command(argv=("/usr/bin/wc",)),
        "sort": Command(argv=("/usr/bin/sort", "-r")),
    }
    monkeypatch.setenv(NAME, '{"start": "/srv/start"}')
    assert env.workspaces(NAME) == {"start": Workspace(path="/srv/start")}


@pytest.mark.parametrize("read", [env.commands, env.workspaces])
def test_bad_command_or_workspace_is_refused_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[str], object]
) -> None:
    monkeypatch.setenv(NAME, '{"a": "relative"}')
    assert message_of(read, NAME).startswith(f"{NAME}: ")


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


class TestSecretList:
    def test_entries_come_with_commas_or_line_breaks_and_keep_their_order(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        first, second = make_secret(), make_secret()
        monkeypatch.setenv(NAME, f" {first}, {second},")
        assert list(env.secret_list(NAME, most=3).values()) == [first, second]
        monkeypatch.delenv(NAME)
        (tmp_path / "keys").write_text(f"{second}\r\n\n{first}\n")
        monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "keys"))
        assert list(env.secret_list(NAME, most=3).values()) == [second, first]

    @pytest.mark.parametrize(
        "value", ["", " ", ",", "short", "{good},short", "{good},{good}", "{good},changeme-{good}"]
    )
    def test_each_entry_has_to_be_good(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        good = make_secret()
        monkeypatch.setenv(NAME, value.format(good=good))
        message = message_of(env.secret_list, NAME, most=3)
        assert NAME in message
        assert good not in message

    def test_the_bad_one_is_named_by_its_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(NAME, f"{make_secret()},{make_secret()[:31]}")
        assert f"{NAME} (entry 2) is shorter" in message_of(env.secret_list, NAME, most=3)

    def test_it_may_not_be_missing_nor_have_too_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "not set" in message_of(env.secret_list, NAME, most=2)
        monkeypatch.setenv(NAME, ",".join(make_secret() for _ in range(3)))
        assert "more than 2" in message_of(env.secret_list, NAME, most=2)


class TestBaseUrls:
    DEFAULT = ("https://api.example.com/v1",)

    def read(self, monkeypatch: pytest.MonkeyPatch, value: str) -> list[str]:
        monkeypatch.setenv(NAME, value)
        return env.base_urls(NAME, self.DEFAULT, internal=["127.0.0.1:11434"])

    @pytest.mark.parametrize("value", ["", " ", ","])
    def test_blank_means_the_default(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        assert self.read(monkeypatch, value) == [*self.DEFAULT]

    def test_a_single_one_may_be_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(NAME, " ")
        assert env.optional_base_url(NAME, internal=[]) == ""
        monkeypatch.setenv(NAME, "https://Runner.example.org/")
        assert env.optional_base_url(NAME, internal=[]) == "https://runner.example.org"
        monkeypatch.setenv(NAME, "http://runner.example.org")
        with pytest.raises(ImproperlyConfigured, match=NAME):
            env.optional_base_url(NAME, internal=["runner.example.org:81"])

    def test_addresses_are_written_in_one_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        value = " HTTPS://API.Example.com:443/v1/ ,http://127.0.0.1:11434/v1,https://a.example.com"
        assert self.read(monkeypatch, value) == [
            "https://api.example.com/v1",
            "http://127.0.0.1:11434/v1",
            "https://a.example.com",
        ]

    @pytest.mark.parametrize(
        "value",
        [
            "api.example.com",
            "http://api.example.com/v1",
            "http://127.0.0.1:11435/v1",
            "https://10.0.0.1/v1",
            "https://key@api.example.com/v1",
            "https://api.example.com/v1?key=hidden",
            "https://api.example.com/v1#part",
            "https://ok.example.com,ftp://x.example.com",
        ],
    )
    def test_others_are_refused_without_being_shown(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        message = message_of(self.read, monkeypatch, value)
        assert NAME in message
        assert "hidden" not in message


class TestEmail:
    def test_reads_an_address_with_tls_and_a_password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MAIL", "smtp+tls://user:p%40ss@mail.example.org:587")
        read = env.email("MAIL")
        assert (read["EMAIL_HOST"], read["EMAIL_PORT"], read["EMAIL_USE_TLS"]) == ("mail.example.org", 587, True)
        assert (read["EMAIL_HOST_USER"], read["EMAIL_HOST_PASSWORD"]) == ("user", "p@ss")

    def test_is_empty_when_it_is_not_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MAIL", raising=False)
        assert env.email("MAIL") == {}

    @pytest.mark.parametrize(
        "address", ["smtp://", "consolemail://", "filemail:///tmp/x", "mail.example.org:25", "smtp://u:hunter2@h:x"]
    )
    def test_refuses_what_is_no_mail_server_without_repeating_it(
        self, monkeypatch: pytest.MonkeyPatch, address: str
    ) -> None:
        monkeypatch.setenv("MAIL", address)
        with pytest.raises(ImproperlyConfigured, match="MAIL must be like smtp") as refused:
            env.email("MAIL")
        assert "hunter2" not in str(refused.value)
