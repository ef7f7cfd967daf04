"""The operators' stop switch on the pages."""

import pytest
from pytest_django import Settings

from accounts.models import User
from tasks import stop_switch
from tasks.models import Agent
from tasks.states import Status
from tests.accounts.clients import SecureClient
from tests.makers import make_running
from tests.realtime.pages.reading import text_of

pytestmark = pytest.mark.django_db

FORM = {"reason": "The provider <i>burns</i>.", "running": "stop"}


def test_control_is_for_operators(page: SecureClient, operators_page: SecureClient) -> None:
    assert "Stop everything" in text_of(operators_page.get("/"))
    assert "Stop everything" not in text_of(page.get("/"))
    assert page.post("/stop-switch/on", FORM).status_code == 403
    assert not stop_switch.read().is_on


def test_turned_on_it_stops_what_runs(operators_page: SecureClient, agent: Agent) -> None:
    task, _ = make_running(agent)
    assert operators_page.post("/stop-switch/on", FORM)["Location"] == "/"
    task.refresh_from_db()
    assert (stop_switch.read().is_on, task.state) == (True, Status.READY)


def test_turned_on_it_can_let_what_runs_finish(operators_page: SecureClient, agent: Agent) -> None:
    task, _ = make_running(agent)
    operators_page.post("/stop-switch/on", FORM | {"running": "finish"})
    task.refresh_from_db()
    assert (stop_switch.read().is_on, task.state) == (True, Status.RUNNING)


@pytest.mark.parametrize("wrong", [{"running": ""}, {"running": "x"}, {"reason": "x" * 501}])
def test_bad_form_stops_nothing(operators_page: SecureClient, wrong: dict[str, str]) -> None:
    assert operators_page.post("/stop-switch/on", FORM | wrong).status_code == 400
    assert not stop_switch.read().is_on


@pytest.mark.parametrize("address", ["/", "/tasks", "/tasks/new", "/agents", "/queues", "/dead-letters", "/nothing"])
def test_everybody_sees_the_banner_on_every_page(
    page: SecureClient, operator: User, agent: Agent, address: str
) -> None:
    assert "Everything is stopped" not in text_of(page.get(address))
    stop_switch.turn_on(actor=operator, reason=FORM["reason"])
    answer = page.get(address)
    shown = text_of(answer)
    assert "Everything is stopped since" in shown
    assert "The provider <i>burns</i>." in shown
    assert "<i>burns" not in answer.content.decode()
    assert "olga" not in shown
    assert "/stop-switch/off" not in answer.content.decode()


def test_operators_see_who_turned_it_and_turn_it_off(operators_page: SecureClient, page: SecureClient) -> None:
    operators_page.post("/stop-switch/on", FORM)
    answer = operators_page.get("/queues")
    assert "by olga" in text_of(answer)
    assert "/stop-switch/off" in answer.content.decode()
    assert page.post("/stop-switch/off").status_code == 403
    operators_page.post("/stop-switch/off")
    assert not stop_switch.read().is_on
    assert "Everything is stopped" not in text_of(operators_page.get("/"))


def test_strangers_see_no_banner(operator: User) -> None:
    stop_switch.turn_on(actor=operator, reason=FORM["reason"])
    assert "Everything is stopped" not in text_of(SecureClient().get("/sign-in"))


def test_is_limited_apart_from_other_changes(operators_page: SecureClient, settings: Settings) -> None:
    settings.PERSONALQ_RATE_QUEUE_CHANGE = "1/h"
    form = {"name": "lane", "concurrency_limit": "3", "rate_limit": "", "rate_period_seconds": "60"}
    operators_page.post("/queues/new", form)
    assert operators_page.post("/stop-switch/on", FORM).status_code == 302
    assert operators_page.post("/stop-switch/on", FORM).status_code == 429
