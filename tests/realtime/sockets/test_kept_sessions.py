"""Browsers' sessions at a real web process: what its database keeps opens nothing, and what ends is over at once."""

from collections.abc import Iterator
from functools import partial

import httpx2
import pytest
from django.contrib.sessions.models import Session

from accounts import sessions
from accounts.models import TokenFamily, User
from accounts.session_store import SessionStore, digest_of
from tests.accounts.test_session_store import all_rows
from tests.concurrency.racing import failures, race
from tests.makers import PASSWORD
from tests.product.canaries import Browser
from tests.realtime.sockets.serving import WebProcess

pytestmark = [pytest.mark.security, pytest.mark.django_db(transaction=True)]

NAME = "personalq-session"
ROUNDS = 5


@pytest.fixture
def browser(web: WebProcess, alice: User) -> Iterator[Browser]:
    with Browser(web.port) as found:
        found.sign_in("alice", PASSWORD)
        yield found


def status(web: WebProcess, cookie: str) -> int:
    headers = {"Cookie": f"{NAME}={cookie}"}
    return httpx2.get(f"http://127.0.0.1:{web.port}/api/v1/me", headers=headers, timeout=30).status_code


def test_dump_of_all_rows_holds_no_cookie(browser: Browser, web: WebProcess) -> None:
    cookie, rows = browser.cookies[NAME], all_rows()
    assert status(web, cookie) == 200
    assert digest_of(cookie) in rows
    assert cookie not in rows


def test_digest_out_of_the_database_signs_nobody_in(browser: Browser, web: WebProcess) -> None:
    row = Session.objects.get()
    assert status(web, browser.cookies[NAME]) == 200
    assert [status(web, each) for each in (row.pk, digest_of(row.pk))] == [401, 401]


def test_ended_session_is_refused_with_the_next_request(browser: Browser, web: WebProcess, alice: User) -> None:
    cookie = browser.cookies[NAME]
    assert status(web, cookie) == 200
    sessions.end(actor=alice, session=TokenFamily.objects.get())
    assert status(web, cookie) == 401


def test_key_that_somebody_planted_is_worth_nothing_after_the_sign_in(web: WebProcess, alice: User) -> None:
    planted = SessionStore()
    planted["basket"] = 1
    planted.save()
    key = str(planted.session_key)
    with Browser(web.port) as browser:
        browser._client.cookies.set(NAME, key)
        browser.sign_in("alice", PASSWORD)
        cookies = [each.value for each in browser._client.cookies.jar if each.name == NAME]
    signed_in = [each for each in cookies if each != key]
    assert [status(web, each or "") for each in signed_in] == [200]
    assert status(web, key) == 401
    assert not planted.exists(key)


def test_requests_that_race_with_the_sign_out_bring_no_session_back(web: WebProcess, alice: User) -> None:
    for _ in range(ROUNDS):
        with Browser(web.port) as browser:
            browser.sign_in("alice", PASSWORD)
            cookie = browser.cookies[NAME]
            others = [partial(status, web, cookie)] * 4
            results = race(partial(browser.post, "/account", "/sign-out"), *others)
        assert failures(results) == []
        assert set(results[1:]) <= {200, 401}
        assert status(web, cookie) == 401
        assert not SessionStore().exists(cookie)
