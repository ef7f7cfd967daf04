"""What the database holds of a session opens nothing, and the rows are found, changed and ended all the same."""

import logging
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import TokenFamily, User
from accounts.session_store import DIGEST_CHARACTERS, SessionStore, digest_of, row_key_of
from tests.accounts.clients import SecureClient, sign_in
from tests.concurrency.racing import ROUNDS, failures, race
from tests.makers import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.security]


def cookie_of(client: SecureClient) -> str:
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


def all_rows() -> str:
    """Every row of every table, as a dump would hold it."""
    with connection.cursor() as cursor:
        return "\n".join(_rows_of(cursor, table) for table in connection.introspection.table_names(cursor))


def _rows_of(cursor: Any, table: str) -> str:
    cursor.execute(f'SELECT string_agg(t::text, chr(10)) FROM "{table}" t')
    return f"{table} {cursor.fetchone()[0]}"


def is_let_in(cookie: str) -> bool:
    client = SecureClient()
    client.cookies[django_settings.SESSION_COOKIE_NAME] = cookie
    return bool(client.get("/api/v1/me").status_code == 200)


class TestWhatIsKept:
    def test_no_row_of_any_table_holds_the_cookie(self, client: SecureClient, alice: User) -> None:
        sign_in(client, "alice", PASSWORD)
        client.get("/account/sessions")
        rows = all_rows()
        assert digest_of(cookie_of(client)) in rows
        assert cookie_of(client) not in rows

    def test_digest_out_of_the_database_lets_nobody_in(self, client: SecureClient, alice: User) -> None:
        sign_in(client, "alice", PASSWORD)
        row = Session.objects.get()
        assert is_let_in(cookie_of(client))
        assert not is_let_in(row.pk)
        assert not is_let_in(digest_of(row.pk))

    def test_digest_needs_the_key_of_the_installation(self, settings: Settings) -> None:
        before = digest_of("some-key")
        settings.SECRET_KEY = "another-key-of-more-than-thirty-two-characters"
        assert digest_of("some-key") != before
        assert len(before) == DIGEST_CHARACTERS == Session._meta.get_field("session_key").max_length

    def test_digest_is_for_sessions_alone(self, settings: Settings) -> None:
        from accounts.tokens import token_text  # noqa: PLC0415 - only to be compared with

        assert not token_text.digest_of("some-key").startswith(digest_of("some-key"))

    def test_row_of_a_sign_in_names_the_digest(self, client: SecureClient, alice: User) -> None:
        sign_in(client, "alice", PASSWORD)
        assert TokenFamily.objects.get().session_id == digest_of(cookie_of(client))

    def test_no_query_and_no_line_of_log_holds_the_cookie(
        self, client: SecureClient, alice: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        """V16.2.5: at DEBUG, with each query and its parameters."""
        with caplog.at_level(logging.DEBUG), CaptureQueriesContext(connection) as queries:
            sign_in(client, "alice", PASSWORD)
            cookie = cookie_of(client)
            client.get("/account/sessions")
            client.post("/sign-out")
        assert any("django_session" in each["sql"] for each in queries)
        assert cookie not in str(queries.captured_queries) + caplog.text

    @pytest.mark.parametrize(
        "cookie", ["\x00" * 40, "é" * 32, "'" * 32, "x" * 4000, '"\\ud800aaaaaaa"', "a b c d e f g"]
    )
    def test_cookie_of_any_form_reaches_the_database_as_a_digest(self, alice: User, cookie: str) -> None:
        assert not is_let_in(cookie)


class TestStore:
    def test_what_was_kept_is_found_by_the_key(self) -> None:
        store = SessionStore()
        store["basket"] = 1
        store.save()
        assert SessionStore(store.session_key)["basket"] == 1
        assert row_key_of(store) == Session.objects.get().pk
        assert Session.objects.get().get_decoded() == {"basket": 1}

    def test_without_a_key_there_is_no_row(self) -> None:
        assert row_key_of(SessionStore()) is None
        SessionStore().delete()

    def test_session_that_ran_out_is_not_found(self) -> None:
        store = SessionStore()
        store.create()
        Session.objects.update(expire_date=timezone.now())
        late = SessionStore(store.session_key)
        assert late.load() == {}
        assert late.session_key is None

    def test_new_key_takes_everything_along_and_ends_the_old_one(self) -> None:
        store = SessionStore()
        store["basket"] = 1
        store.save()
        before = str(store.session_key)
        store.cycle_key()
        store.save()
        assert store.session_key != before
        assert [row.pk for row in Session.objects.all()] == [row_key_of(store)]
        assert SessionStore(before).load() == {}
        assert SessionStore(store.session_key)["basket"] == 1

    def test_a_key_is_made_once(self) -> None:
        store = SessionStore()
        store.create()
        assert store.exists(str(store.session_key))
        assert not store.exists(str(row_key_of(store)))

    def test_ended_session_is_not_saved_again(self) -> None:
        store = SessionStore()
        store.create()
        SessionStore(store.session_key).flush()
        store["basket"] = 1
        with pytest.raises(UpdateError):
            store.save()
        assert not Session.objects.exists()

    def test_clean_up_takes_what_ran_out(self) -> None:
        old, new = SessionStore(), SessionStore()
        for each in (old, new):
            each.create()
        Session.objects.filter(pk=row_key_of(old)).update(expire_date=timezone.now())
        SessionStore.clear_expired()
        assert [row.pk for row in Session.objects.all()] == [row_key_of(new)]


@pytest.mark.django_db(transaction=True)
class TestAsynchronousStore:
    async def test_it_does_the_same(self) -> None:
        store = SessionStore()
        await store.aset("basket", 1)
        await store.asave()
        before = str(store.session_key)
        assert [row.pk async for row in Session.objects.all()] == [digest_of(before)]
        assert await store.aexists(before)
        assert await SessionStore(before).aget("basket") == 1
        await store.acycle_key()
        await store.asave()
        assert [row.pk async for row in Session.objects.all()] == [row_key_of(store)]
        assert await SessionStore(before).aload() == {}
        await store.aflush()
        assert not await Session.objects.aexists()


class TestEnding:
    @pytest.mark.parametrize("way", ["page", "api", "admin row", "sign-out"])
    def test_ended_session_is_shut_out_at_once(self, client: SecureClient, alice: User, way: str) -> None:
        sign_in(client, "alice", PASSWORD)
        cookie = cookie_of(client)
        uuid = TokenFamily.objects.get().uuid
        ways: dict[str, Callable[[], object]] = {
            "page": lambda: client.post(f"/account/sessions/{uuid}/end"),
            "api": lambda: client.delete(f"/api/v1/sessions/{uuid}"),
            "admin row": Session.objects.all().delete,
            "sign-out": lambda: client.post("/sign-out"),
        }
        assert is_let_in(cookie)
        ways[way]()
        assert not is_let_in(cookie)
        assert not Session.objects.filter(pk=digest_of(cookie)).exists()

    def test_update_ends_what_was_open_before(self, client: SecureClient, alice: User) -> None:
        """Rows under the key itself open nothing any more, and are not shown as open."""
        sign_in(client, "alice", PASSWORD)
        module = import_module("accounts.migrations.0009_sessions_by_digest")
        module.end_sessions(apps, None)
        assert not Session.objects.exists()
        assert not TokenFamily.objects.live().exists()

    def test_row_of_the_engine_before_lets_nobody_in(self, alice: User) -> None:
        from django.contrib.sessions.backends.db import SessionStore as DjangosStore  # noqa: PLC0415 - the other one

        request: Any = RequestFactory().get("/")
        request.session = DjangosStore()
        request.session.create()
        assert Session.objects.filter(pk=request.session.session_key).exists()
        assert SessionStore(request.session.session_key).load() == {}


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_session_that_ends_while_others_save_it_stays_ended(self) -> None:
        for _ in range(ROUNDS):
            store = SessionStore()
            store.create()
            key = str(store.session_key)
            results = race(SessionStore(key).flush, *[partial(put, key, number) for number in range(3)])
            assert {type(error) for error in failures(results)} <= {UpdateError}
            # Whoever came too late to find it began another one, which is nobody's.
            assert not store.exists(key)

    def test_requests_that_change_the_key_at_once_leave_nothing_under_the_old_one(self) -> None:
        for _ in range(ROUNDS):
            store = SessionStore()
            store["basket"] = 1
            store.save()
            key = str(store.session_key)
            stores = [SessionStore(key) for _ in range(3)]
            for each in stores:
                each.load()
            assert failures(race(*[each.cycle_key for each in stores])) == []
            assert not store.exists(key)
            assert {row.pk for row in Session.objects.all()} == {row_key_of(each) for each in stores}
            Session.objects.all().delete()


def put(key: str, number: int) -> None:
    store = SessionStore(key)
    store["basket"] = number
    store.save()
