"""Queueing a prompt by the form."""

import html
import re
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from tasks import agents
from tasks.models import PROMPT_LENGTH, TITLE_LENGTH, Agent, Task
from tasks.states import Status
from tests.accounts.clients import SecureClient
from tests.concurrency.racing import race
from tests.makers import make_agent
from tests.realtime.pages.conftest import browser_of
from tests.realtime.pages.reading import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def form(agent: Agent) -> dict[str, Any]:
    """What a browser sends when only the prompt was filled in."""
    return {"agent": str(agent.uuid), "prompt": "Say this", "title": "", "order": "0", "not_before_at": ""}


def test_good_prompt_is_queued_and_shown(page: SecureClient, alice: User, form: dict[str, Any]) -> None:
    answer = page.post("/tasks/new", form)
    task = Task.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/tasks/{task.uuid}")
    assert (task.owner, task.prompt, task.title, task.order) == (alice, "Say this", "", 0)
    assert (task.state, task.source, task.not_before_at) == (Status.READY, "web", None)


def test_all_fields_are_taken(page: SecureClient, form: dict[str, Any]) -> None:
    more = {"title": "A title", "order": "-5", "not_before_at": "2030-01-31T12:30", "is_backlogged": "on"}
    page.post("/tasks/new", form | more)
    task = Task.objects.get()
    assert (task.title, task.order, task.state) == ("A title", -5, Status.BACKLOGGED)
    assert task.not_before_at == datetime(2030, 1, 31, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "hour"), [("", 12), ("UTC", 12), ("Europe/Berlin", 10), ("America/Los_Angeles", 19), ("Asia/Kolkata", 7)]
)
def test_time_is_taken_in_the_zone_that_the_script_tells(
    page: SecureClient, form: dict[str, Any], zone: str, hour: int
) -> None:
    page.post("/tasks/new", form | {"not_before_at": "2030-07-31T12:30", "time_zone": zone})
    at = Task.objects.get().not_before_at
    assert at is not None
    assert (at.astimezone(UTC).hour, at.astimezone(UTC).day) == (hour, 31)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "/etc/passwd", "Europe", "x" * 65, "a\x00b"])
def test_time_in_an_unknown_zone_is_refused(page: SecureClient, form: dict[str, Any], zone: str) -> None:
    answer = page.post("/tasks/new", form | {"not_before_at": "2030-07-31T12:30", "time_zone": zone})
    assert answer.status_code == 400
    assert not Task.objects.exists()


def test_time_that_the_clocks_leave_out_is_refused(page: SecureClient, form: dict[str, Any]) -> None:
    answer = page.post("/tasks/new", form | {"not_before_at": "2030-03-31T02:30", "time_zone": "Europe/Berlin"})
    assert answer.status_code == 400
    assert "2030-03-31T02:30" in answer.content.decode()


def test_unknown_zone_matters_to_nobody_who_names_no_time(page: SecureClient, form: dict[str, Any]) -> None:
    assert page.post("/tasks/new", form | {"time_zone": "Mars/Olympus"}).status_code == 302


def test_prompt_is_kept_as_typed(page: SecureClient, form: dict[str, Any]) -> None:
    page.post("/tasks/new", form | {"prompt": "  two\r\n\r\nlines\t🦩 \r\n"})
    assert Task.objects.get().prompt == "  two\n\nlines\t🦩 \n"


def test_longest_prompt_is_welcome(page: SecureClient, form: dict[str, Any]) -> None:
    assert page.post("/tasks/new", form | {"prompt": "🦩" * PROMPT_LENGTH}).status_code == 302
    assert len(Task.objects.get().prompt) == PROMPT_LENGTH


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("prompt", "", "This field is required."),
        ("prompt", " \r\n\t", "Write something; this may not be empty."),
        ("prompt", "x" * (PROMPT_LENGTH + 1), "at most 200000 characters"),
        ("prompt", "a\x00b", "Null characters are not allowed."),
        ("agent", "", "This field is required."),
        ("agent", "scribe", "is not a valid UUID"),
        ("agent", "00000000-0000-4000-8000-000000000000", "Choose one of your agents."),
        ("title", "x" * (TITLE_LENGTH + 1), "at most 200 characters"),
        ("title", "two\nlines", "Use one line without control characters."),
        ("order", "first", "Enter a whole number."),
        ("order", "1.5", "Enter a whole number."),
        ("order", "2147483648", "less than or equal to 2147483647"),
        ("order", "9" * 5000, "Enter a whole number."),
        ("not_before_at", "tomorrow", "Enter a valid date/time."),
        ("not_before_at", "0001-01-01T00:00", "Choose a time after 1970."),
        ("not_before_at", "275760-09-13T00:00", "Enter a valid date/time."),
    ],
)
def test_bad_field_is_named_and_nothing_written(
    page: SecureClient, form: dict[str, Any], field: str, value: str, reason: str
) -> None:
    answer = page.post("/tasks/new", form | {field: value})
    assert answer.status_code == 400
    assert reason in text_of(answer)
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert not Task.objects.exists()


def test_what_was_typed_survives_an_error(page: SecureClient, agent: Agent, form: dict[str, Any]) -> None:
    typed = {"prompt": "\n  a long thought", "title": "Mine", "order": "x", "not_before_at": "2030-01-31T12:30"}
    answer = page.post("/tasks/new", form | typed | {"is_backlogged": "on"}).content.decode()
    assert "\n\n  a long thought</textarea>" in answer
    assert 'value="Mine"' in answer
    assert 'value="2030-01-31T12:30"' in answer
    assert f'value="{agent.uuid}" selected' in answer
    assert 'id="id_is_backlogged" checked' in answer.replace(' aria-describedby="id_is_backlogged_helptext"', "")


def test_too_many_prompts_are_refused_and_the_text_survives(
    page: SecureClient, form: dict[str, Any], settings: Settings
) -> None:
    settings.PERSONALQ_RATE_TASK_CREATE = "1/h"
    page.post("/tasks/new", form)
    answer = page.post("/tasks/new", form | {"prompt": "the second one"})
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert "the second one" in answer.content.decode()
    assert "Too many requests." in text_of(answer)
    assert Task.objects.count() == 1


def test_deleted_agent_is_no_choice(page: SecureClient, alice: User, agent: Agent, form: dict[str, Any]) -> None:
    make_agent(alice, name="other")
    agents.delete(actor=alice, agent=agent)
    assert page.post("/tasks/new", form).status_code == 400
    assert not Task.objects.exists()


class TestChoiceOfAgent:
    def test_is_made_when_there_is_only_one(self, page: SecureClient, agent: Agent) -> None:
        assert f'value="{agent.uuid}" selected' in page.get("/tasks/new").content.decode()

    def test_is_open_when_there_are_several(self, page: SecureClient, alice: User, agent: Agent) -> None:
        make_agent(alice)
        assert f'value="{agent.uuid}" selected' not in page.get("/tasks/new").content.decode()

    def test_can_be_in_the_address(self, page: SecureClient, alice: User, agent: Agent) -> None:
        make_agent(alice)
        answer = page.get(f"/tasks/new?agent={agent.uuid}").content.decode()
        assert f'value="{agent.uuid}" selected' in answer

    def test_holds_only_own_agents(self, page: SecureClient, bob: User, agent: Agent) -> None:
        make_agent(bob, name="bobs own")
        assert "bobs own" not in html.unescape(page.get("/tasks/new").content.decode())

    def test_leads_to_making_the_first_one(self, page: SecureClient) -> None:
        assert "Create your first agent" in text_of(page.get("/tasks/new"))


@pytest.mark.parametrize("query", ["agent=x", "agent=1%00", "prompt=hello"])
def test_bad_query_is_refused(page: SecureClient, query: str) -> None:
    assert page.get(f"/tasks/new?{query}").status_code == 400


def hidden_key(answer: Any) -> str:
    found = re.search(r'name="form_key" value="([0-9a-f-]{36})"', answer.content.decode())
    assert found is not None
    return found[1]


class TestFormThatComesTwice:
    @pytest.fixture
    def shown(self, page: SecureClient, form: dict[str, Any]) -> dict[str, Any]:
        """What the browser of somebody who was shown the form sends."""
        return form | {"form_key": hidden_key(page.get("/tasks/new"))}

    def test_leads_to_the_first_task(self, page: SecureClient, shown: dict[str, Any]) -> None:
        answers = [page.post("/tasks/new", shown) for _ in range(2)]
        assert [(answer.status_code, answer["Location"]) for answer in answers] == [
            (302, f"/tasks/{Task.objects.get().uuid}")
        ] * 2

    def test_is_another_task_when_the_text_was_changed_meanwhile(
        self, page: SecureClient, shown: dict[str, Any]
    ) -> None:
        page.post("/tasks/new", shown)
        page.post("/tasks/new", shown | {"prompt": "Say that"})
        assert set(Task.objects.values_list("prompt", flat=True)) == {"Say this", "Say that"}

    def test_may_come_again_after_a_refusal(self, page: SecureClient, shown: dict[str, Any]) -> None:
        refused = page.post("/tasks/new", shown | {"prompt": ""})
        assert hidden_key(refused) == shown["form_key"]
        assert page.post("/tasks/new", shown).status_code == 302

    def test_has_another_key_each_time_that_it_is_shown(self, page: SecureClient, agent: Agent) -> None:
        assert len({hidden_key(page.get("/tasks/new")) for _ in range(3)}) == 3

    def test_key_of_somebody_else_leads_nowhere(
        self, page: SecureClient, strange_page: SecureClient, bob: User, shown: dict[str, Any]
    ) -> None:
        page.post("/tasks/new", shown)
        strange_page.post("/tasks/new", shown | {"agent": str(make_agent(bob).uuid)})
        assert Task.objects.filter(owner=bob).count() == 1

    def test_broken_key_says_what_to_do(self, page: SecureClient, form: dict[str, Any]) -> None:
        answer = page.post("/tasks/new", form | {"form_key": "x"})
        assert answer.status_code == 400
        assert "Reload the page" in text_of(answer)


@pytest.mark.django_db(transaction=True)
def test_several_clicks_at_once_make_one_task(alice: User, form: dict[str, Any]) -> None:
    browsers = [browser_of(alice) for _ in range(4)]
    sent = form | {"form_key": hidden_key(browsers[0].get("/tasks/new"))}
    answers = race(*(partial(browser.post, "/tasks/new", sent) for browser in browsers))
    assert {answer["Location"] for answer in answers} == {f"/tasks/{Task.objects.get().uuid}"}
