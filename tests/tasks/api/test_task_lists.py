from typing import Any

import pytest
from django.db import connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tasks import criteria, lifecycle
from tasks.criteria import TaskCriteria
from tasks.models import Agent, Queue, Task
from tests.makers import make_agent, make_queue, make_task
from tests.tasks.api.client import Api, codes

pytestmark = pytest.mark.django_db


def titles(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [task["title"] for task in response.json()["results"]]


def test_a_list_holds_only_what_is_yours(as_alice: Api, agent: Agent, bob: User) -> None:
    make_task(agent, title="mine")
    make_task(make_agent(bob), title="his")
    assert titles(as_alice.get("tasks")) == ["mine"]


def test_a_list_of_an_operator_holds_only_what_is_theirs(as_operator: Api, agent: Agent) -> None:
    make_task(agent, title="alices")
    assert titles(as_operator.get("tasks")) == []


def test_an_operator_lists_one_owner_or_all(as_operator: Api, agent: Agent, bob: User, default_queue: Queue) -> None:
    make_task(agent, title="alices")
    make_task(make_agent(bob), title="bobs")
    Task.objects.create(prompt="p", title="nobodys", queue=default_queue)
    assert titles(as_operator.get("tasks", owner="alice")) == ["alices"]
    assert titles(as_operator.get("tasks", owner="all")) == ["nobodys", "bobs", "alices"]


def test_an_unknown_owner_is_not_found(as_operator: Api) -> None:
    assert codes(as_operator.get("tasks", owner="nobody")) == {"owner": "not_found"}


@pytest.mark.parametrize("path", ["tasks", "agents", "queues"])
@pytest.mark.parametrize("owner", ["all", "alice", "bob", "nobody"])
def test_only_operators_ask_for_owners(as_alice: Api, bob: User, path: str, owner: str) -> None:
    response = as_alice.get(path, owner=owner)
    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


def test_the_newest_comes_first_and_pages_follow_each_other(as_alice: Api, agent: Agent) -> None:
    for number in range(5):
        make_task(agent, title=str(number))
    first = as_alice.get("tasks", page_size=2)
    second = as_alice.get(first.json()["next"])
    third = as_alice.get(second.json()["next"])
    assert [titles(page) for page in (first, second, third)] == [["4", "3"], ["2", "1"], ["0"]]
    assert (first.json()["previous"], third.json()["next"]) == (None, None)
    assert titles(as_alice.get(third.json()["previous"])) == ["2", "1"]


def test_new_tasks_do_not_move_the_next_page(as_alice: Api, agent: Agent) -> None:
    for number in range(4):
        make_task(agent, title=str(number))
    first = as_alice.get("tasks", page_size=2)
    make_task(agent, title="newer")
    assert titles(as_alice.get(first.json()["next"])) == ["1", "0"]


def test_next_keeps_the_filters(as_alice: Api, agent: Agent) -> None:
    for number in range(3):
        make_task(agent, title=str(number))
        make_task(agent, title="aside", is_backlogged=True)
    first = as_alice.get("tasks", page_size=2, status="ready")
    assert titles(first) + titles(as_alice.get(first.json()["next"])) == ["2", "1", "0"]


def test_status_takes_one_word_or_several(as_alice: Api, agent: Agent) -> None:
    make_task(agent, title="ready")
    make_task(agent, title="backlogged", is_backlogged=True)
    lifecycle.cancel(actor=agent.owner, task=make_task(agent, title="cancelled"))
    assert titles(as_alice.get("tasks", status="ready")) == ["ready"]
    assert titles(as_alice.get("tasks", status="cancelled,backlogged")) == ["cancelled", "backlogged"]
    assert titles(as_alice.get("tasks", status="failed")) == []


def test_agent_and_queue_are_named_or_given_by_id(as_alice: Api, agent: Agent, alice: User) -> None:
    slow = make_queue(alice, name="slow")
    other = make_agent(alice, name="other")
    make_task(agent, title="scribe")
    make_task(other, title="other", queue=slow)
    assert titles(as_alice.get("tasks", agent="scribe")) == ["scribe"]
    assert titles(as_alice.get("tasks", agent=str(other.uuid))) == ["other"]
    assert titles(as_alice.get("tasks", queue="slow")) == ["other"]
    assert titles(as_alice.get("tasks", queue=str(slow.uuid))) == ["other"]
    assert titles(as_alice.get("tasks", queue="default")) == ["scribe"]


def test_an_operator_filters_by_anybodys_agent(as_operator: Api, agent: Agent) -> None:
    make_task(agent, title="alices")
    assert titles(as_operator.get("tasks", owner="all", agent=str(agent.uuid))) == ["alices"]


@pytest.mark.parametrize("name", ["agent", "queue"])
def test_an_unknown_name_to_filter_by_is_refused(as_alice: Api, name: str) -> None:
    assert codes(as_alice.get("tasks", **{name: "nobody"})) == {name: "not_found"}


def test_somebody_elses_agent_is_no_filter(as_bob: Api, agent: Agent) -> None:
    response = as_bob.get("tasks", agent=str(agent.uuid))
    assert (response.status_code, response.json()["code"]) == (403, "not_yours")


def test_source_filters(as_alice: Api, agent: Agent) -> None:
    make_task(agent, title="page", source="web")
    make_task(agent, title="program")
    assert titles(as_alice.get("tasks", source="web")) == ["page"]


def test_search_that_takes_too_long_is_ended(as_alice: Api, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    make_task(agent)
    monkeypatch.setattr(criteria, "SEARCH_SECONDS", 0.05)
    slow = RawSQL("(SELECT pg_sleep(3) IS NOT NULL)", [], output_field=BooleanField())
    among = TaskCriteria.among
    monkeypatch.setattr(TaskCriteria, "among", lambda self, tasks: among(self, tasks).filter(slow))
    problem = as_alice.get("tasks", search="x").json()
    assert [(error["field"], error["code"]) for error in problem["errors"]] == [("search", "too_slow")]
    assert as_alice.get("me").status_code == 200


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("100%", ["100% sure"]),
        ("%", ["100% sure"]),
        ("a_b", ["a_b"]),
        ("_", ["a_b"]),
        ("back\\slash", ["back\\slash"]),
        ("AXB", ["axb"]),
        ("in the prompt", ["100% sure", "a_b", "axb", "back\\slash"]),
        ("'; DROP TABLE tasks; --", []),
    ],
)
def test_search_takes_every_character_literally(as_alice: Api, agent: Agent, search: str, found: list[str]) -> None:
    for title in ("back\\slash", "axb", "a_b", "100% sure"):
        make_task(agent, title=title, prompt="Something in the prompt.")
    assert titles(as_alice.get("tasks", search=search)) == found


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("status=done", "status", "invalid_choice"),
        ("status=0", "status", "invalid_choice"),
        ("status=", "status", "blank"),
        ("status=ready,", "status", "invalid_choice"),
        ("status=ready,ready", "status", "invalid_choice"),
        ("status=READY", "status", "invalid_choice"),
        ("status=" + "ready," * 50, "status", "invalid_choice"),
        ("source=mail", "source", "invalid_choice"),
        ("agent=", "agent", "blank"),
        ("agent=" + "a" * 101, "agent", "max_length"),
        ("agent=a%00b", "agent", "null_characters_not_allowed"),
        ("queue=a%00b", "queue", "null_characters_not_allowed"),
        ("search=a%00b", "search", "null_characters_not_allowed"),
        ("search=" + "a" * 201, "search", "max_length"),
        ("search=", "search", "blank"),
        ("page_size=0", "page_size", "invalid"),
        ("page_size=101", "page_size", "invalid"),
        ("page_size=-1", "page_size", "invalid"),
        ("page_size=1e1", "page_size", "invalid"),
        ("page_size=%EF%BC%91", "page_size", "invalid"),
        ("cursor=abc", "cursor", "invalid"),
        ("cursor=%00", "cursor", "invalid"),
        ("cursor=cD0lMDA%3D", "cursor", "invalid"),
        ("cursor=" + "A" * 10_000, "cursor", "invalid"),
        ("status=ready&status=failed", "status", "repeated"),
        ("page_size=1&page_size=2", "page_size", "repeated"),
        ("cursor=a&cursor=b", "cursor", "repeated"),
        ("order=abc", "order", "unknown_field"),
        ("order=1%00", "order", "unknown_field"),
        ("id__gt=0", "id__gt", "unknown_field"),
        ("owner__password__startswith=a", "owner__password__startswith", "unknown_field"),
        ("format=json", "format", "unknown_field"),
        ("token=abc", "token", "unknown_field"),
    ],
)
def test_a_wrong_parameter_is_named(as_alice: Api, query: str, field: str, code: str) -> None:
    response = as_alice.get(f"tasks?{query}")
    assert (response.status_code, codes(response)) == (400, {field: code})


@pytest.mark.parametrize("path", ["agents", "queues", "schema", "docs", ""])
def test_other_routes_refuse_unknown_parameters_too(as_alice: Api, path: str) -> None:
    assert codes(as_alice.get(f"{path}?status=ready")) == {"status": "unknown_field"}


def test_writing_takes_no_parameters(as_alice: Api, agent: Agent) -> None:
    response = as_alice.post("tasks?agent=scribe", {"agent": "scribe", "prompt": "p"})
    assert codes(response) == {"agent": "unknown_field"}
    assert not Task.objects.exists()


def queries_for(api: Api, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert api.get(path).status_code == 200
    return len(captured)


def test_a_list_costs_the_same_few_queries_however_long_it_is(as_alice: Api, agent: Agent, alice: User) -> None:
    make_task(agent)
    short = queries_for(as_alice, "tasks?page_size=100")
    for number in range(30):
        make_task(make_agent(alice, name=str(number), queue=make_queue(alice)))
    assert queries_for(as_alice, "tasks?page_size=100") == short <= 4
    # A search has a transaction of its own, for the sake of its time limit.
    assert queries_for(as_alice, "tasks?page_size=100&status=ready&search=say") == short + 3
    assert queries_for(as_alice, "agents?page_size=100") <= 4
    assert queries_for(as_alice, "queues?page_size=100") <= 4


def test_a_list_never_reads_long_columns(as_alice: Api, agent: Agent) -> None:
    make_task(agent)
    with CaptureQueriesContext(connection) as captured:
        as_alice.get("tasks")
    selected = captured[-1]["sql"].split(" FROM ")[0]
    assert 'LEFT("tasks"."prompt", 501)' in selected
    for column in ("result", "input", "error_detail"):
        assert f'"{column}"' not in selected


@pytest.mark.django_db(transaction=True)
def test_creating_costs_few_queries(as_alice: Api, agent: Agent) -> None:
    # The first one of an owner costs one more: what waits is counted now and then.
    assert as_alice.post("tasks", {"agent": "scribe", "prompt": "p"}).status_code == 201
    with CaptureQueriesContext(connection) as captured:
        assert as_alice.post("tasks", {"agent": "scribe", "prompt": "p"}).status_code == 201
    assert len(statements(captured)) <= 11


def statements(captured: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in captured if query["sql"] not in {"BEGIN", "COMMIT"}]
