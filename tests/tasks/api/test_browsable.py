"""The API in a browser: readable, harmless, and only for who is signed in."""

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from personalq.lib.browsable import LONGEST_SHOWN
from tasks.models import Agent
from tests.makers import make_task

pytestmark = pytest.mark.django_db
HTML = {"Accept": "text/html"}


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(alice)
    return client


def see(browser: Client, path: str, **options: Any) -> Any:
    return browser.get(f"/api/v1{path}", headers=HTML, secure=True, **options)


@pytest.mark.parametrize("path", ["", "/tasks", "/agents", "/queues", "/me"])
def test_a_person_sees_a_page(browser: Client, agent: Agent, path: str) -> None:
    response = see(browser, path)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "Personal-Q API" in response.content.decode()


def test_a_page_has_its_own_policy_without_scripts_or_style_elements(browser: Client, agent: Agent) -> None:
    response = see(browser, "/tasks")
    policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert (policy["script-src"], policy["style-src"], policy["default-src"]) == ("'self'", "'self'", "'none'")
    assert policy["style-src-attr"] == "'unsafe-inline'"
    page = response.content.decode()
    assert "<style" not in page
    assert not re.search(r"""<script(?![^>]*\bsrc="/static/)(?![^>]*type="application/json")|\son\w+=""", page)
    assert not re.search(r"""(?:src|href)=['"](?:https?:)?//(?!testserver)""", page)


def test_there_is_a_raw_form_and_no_html_form(browser: Client, agent: Agent) -> None:
    page = see(browser, "/tasks").content.decode()
    assert 'data-override="content"' in page
    assert "multipart/form-data" not in page


def test_a_person_sees_forms_only_where_they_work(browser: Client, agent: Agent) -> None:
    one = see(browser, f"/agents/{agent.uuid}").content.decode()
    many = see(browser, "/agents").content.decode()
    assert ('data-method="PATCH"' in one, 'data-method="DELETE"' in one) == (True, True)
    assert ('data-method="PATCH"' in many, 'data-method="DELETE"' in many) == (False, False)


def test_a_refused_request_is_shown_as_a_page_too(browser: Client, bob: User, agent: Agent) -> None:
    stranger = Client(raise_request_exception=False)
    stranger.force_login(bob)
    response = see(stranger, f"/agents/{agent.uuid}")
    assert response.status_code == 403
    assert "not_yours" in response.content.decode()


@pytest.mark.parametrize("path", ["/tasks?colour=red", "/nothing"])
def test_errors_are_pages_too(browser: Client, path: str) -> None:
    response = see(browser, path)
    assert response.status_code in {400, 404}
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"


def test_a_stranger_gets_a_problem_and_no_page() -> None:
    response = see(Client(), "/tasks")
    assert response.status_code == 401
    assert response.headers["Content-Type"].startswith("application/problem+json")


def test_markup_in_tasks_stays_text(browser: Client, agent: Agent) -> None:
    task = make_task(agent, "<script>alert(1)</script> javascript:alert(1) {{7*7}}", title='"><img src=x>')
    page = see(browser, f"/tasks/{task.uuid}").content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert 'href="javascript:' not in page
    assert "{{7*7}}" in page


def test_a_long_answer_is_cut(browser: Client, agent: Agent) -> None:
    task = make_task(agent, "x" * 200_000)
    page = see(browser, f"/tasks/{task.uuid}").content.decode()
    assert "cut here" in page
    assert len(page) < LONGEST_SHOWN + 50_000
