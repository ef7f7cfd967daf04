"""Queueing a prompt by the form."""

import html
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from tasks import agents
from tasks.models import PROMPT_LENGTH, TITLE_LENGTH, Agent, Task
from tasks.states import Status
from tests.accounts.clients import SecureClient
from tests.makers import make_agent
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
