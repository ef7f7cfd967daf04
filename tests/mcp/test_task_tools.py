"""The tools about tasks, each once as it is meant and with what it must refuse."""

import json
from typing import Any
from uuid import uuid4

import pytest

from accounts.models import User
from tasks import lifecycle, outside_work
from tasks.claims import Claim
from tasks.models import Agent as TaskAgent
from tasks.models import Task
from tasks.models.task import Source
from tasks.states import Status
from tests.makers import make_agent, make_queue, make_running, make_task
from tests.mcp.talking import Agent, message, post, text_of, token_of

pytestmark = pytest.mark.django_db(transaction=True)


def fields_of(error: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["field"], each["code"]) for each in error["errors"]}


def test_task_is_added_as_rest_would_add_it(as_alice: Agent, echo: TaskAgent) -> None:
    task = as_alice.ask("add_task", agent="echo", prompt="say it", title="t", order=-3, input={"a": [1]})
    found = Task.objects.get()
    assert (task["uuid"], task["status"], task["source"]) == (str(found.uuid), "ready", "mcp")
    assert (found.prompt, found.title, found.order, found.input) == ("say it", "t", -3, {"a": [1]})
    assert (found.source, found.owner) == (Source.MCP, echo.owner)
    assert task["url"] == f"{as_alice.url.removesuffix('/mcp')}/api/v1/tasks/{found.uuid}"


def test_text_of_a_result_is_its_structure(url: str, alice: User, echo: TaskAgent, mode: str) -> None:
    result = Agent(url, token_of(alice), mode).call("add_task", agent="echo", prompt="é")
    assert json.loads(text_of(result)) == result.structured_content


def test_repeated_key_makes_one_task(as_alice: Agent, echo: TaskAgent) -> None:
    wanted = {"agent": "echo", "prompt": "once", "idempotency_key": "k"}
    first, again = as_alice.ask("add_task", **wanted), as_alice.ask("add_task", **dict(reversed(wanted.items())))
    assert first == again
    assert Task.objects.count() == 1
    assert as_alice.refused("add_task", **{**wanted, "prompt": "twice"})["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("key", ["ü", "a b", "\n", "x" * 256, ""])
def test_key_must_be_visible_ascii(as_alice: Agent, echo: TaskAgent, key: str) -> None:
    error = as_alice.refused("add_task", agent="echo", prompt="p", idempotency_key=key)
    assert error["code"] == "validation_error"
    assert not Task.objects.exists()


def test_several_tasks_are_added_in_their_order(as_alice: Agent, echo: TaskAgent) -> None:
    wanted = [{"agent": "echo", "prompt": f"p{number}"} for number in range(5)]
    made = as_alice.ask("add_tasks", tasks=wanted, idempotency_key="k")["tasks"]
    assert [str(task.uuid) for task in Task.objects.order_by("id")] == [task["uuid"] for task in made]
    assert set(Task.objects.values_list("source", flat=True)) == {Source.MCP}
    assert as_alice.ask("add_tasks", tasks=wanted, idempotency_key="k")["tasks"] == made
    assert Task.objects.count() == 5


def test_several_tasks_are_added_all_or_none(as_alice: Agent, echo: TaskAgent) -> None:
    error = as_alice.refused("add_tasks", tasks=[{"agent": "echo", "prompt": "p"}, {"agent": "nobody", "prompt": "p"}])
    assert fields_of(error) == {("tasks[1].agent", "not_found")}
    assert not Task.objects.exists()


def test_task_is_read_with_its_result(as_alice: Agent, echo: TaskAgent) -> None:
    task, claim = make_running(echo)
    lifecycle.complete(claim=claim, result="done")
    answer = as_alice.ask("get_task", task=str(task.uuid))
    assert (answer["status"], answer["result"], answer["prompt"]) == ("complete", "done", "say this")


def test_long_text_is_cut_for_clients(as_alice: Agent, echo: TaskAgent) -> None:
    task, claim = make_running(echo)
    lifecycle.complete(claim=claim, result="x" * 300_000)
    result = as_alice.ask("get_task", task=str(task.uuid))["result"]
    assert result.startswith("x" * 100_000)
    assert "200000 more characters" in result
    assert len(result) < 100_200


def test_tasks_are_listed_page_by_page(as_alice: Agent, echo: TaskAgent) -> None:
    made = [make_task(echo, f"p{number}") for number in range(5)]
    first = as_alice.ask("list_tasks", page_size=3)
    rest = as_alice.ask("list_tasks", page_size=3, cursor=first["next_cursor"])
    found = [row["uuid"] for row in first["results"] + rest["results"]]
    assert found == [str(task.uuid) for task in reversed(made)]
    assert rest["next_cursor"] is None


def test_tasks_are_listed_by_conditions(as_alice: Agent, echo: TaskAgent) -> None:
    wanted = make_task(echo, "a needle", is_backlogged=True)
    make_task(echo, "a needle")
    found = as_alice.ask("list_tasks", status=["backlogged", "failed"], search="NEEDLE", agent="echo", dead=False)
    assert [row["uuid"] for row in found["results"]] == [str(wanted.uuid)]


def test_work_is_taken_kept_and_completed(as_alice: Agent, hands: TaskAgent) -> None:
    task = make_task(hands, "dig")
    taken = as_alice.ask("next_task", worker="me", lease_seconds=60)
    assert (taken["task"]["uuid"], taken["attempt"], taken["task"]["status"]) == (str(task.uuid), 1, "running")
    assert "update_task" in taken["advice"]
    kept = as_alice.ask("update_task", task=str(task.uuid), attempt=1, progress="half", lease_seconds=600)
    assert kept["lease_expires_at"] > taken["lease_expires_at"]
    done = as_alice.ask("complete_task", task=str(task.uuid), attempt=1, result="a hole")
    assert (done["status"], done["result"]) == ("complete", "a hole")


def test_nothing_to_do_is_said_in_words(as_alice: Agent, hands: TaskAgent) -> None:
    answer = as_alice.ask("next_task")
    assert (answer["task"], answer["attempt"], answer["lease_expires_at"]) == (None, None, None)
    assert answer["advice"]


def test_next_task_may_be_of_one_agent_or_queue(as_alice: Agent, alice: User, hands: TaskAgent) -> None:
    make_task(hands)
    other = make_agent(alice, kind="external", name="other", queue=make_queue(alice, name="q"))
    wanted = make_task(other)
    assert as_alice.ask("next_task", agent="other", queue="q")["task"]["uuid"] == str(wanted.uuid)


def test_late_worker_is_refused(as_alice: Agent, hands: TaskAgent, alice: User) -> None:
    make_task(hands)
    task = outside_work.take_next(actor=alice, worker="w")
    assert task is not None
    lifecycle.fail(claim=Claim.of(task), code="worker_failed")
    for tool, said in (("complete_task", {"result": "r"}), ("fail_task", {"reason": "r"}), ("update_task", {})):
        assert as_alice.refused(tool, task=str(task.uuid), attempt=1, **said)["code"] == "claim_over"


def test_work_that_cannot_be_done_is_given_up(as_alice: Agent, hands: TaskAgent) -> None:
    task = make_task(hands)
    as_alice.ask("next_task")
    failed = as_alice.ask("fail_task", task=str(task.uuid), attempt=1, reason="no spade", final=True)
    assert failed["status"] == "failed"


def test_task_is_cancelled_and_tried_again(as_alice: Agent, echo: TaskAgent) -> None:
    task = make_task(echo)
    for _ in range(2):
        assert as_alice.ask("cancel_task", task=str(task.uuid), reason="why not")["status"] == "cancelled"
    assert as_alice.ask("retry_task", task=str(task.uuid))["status"] == "ready"
    assert as_alice.refused("retry_task", task=str(task.uuid))["code"] == "illegal_transition"


def test_waiting_task_is_changed(as_alice: Agent, alice: User, echo: TaskAgent) -> None:
    task = make_task(echo)
    make_queue(alice, name="q")
    as_alice.ask("update_task", task=str(task.uuid), title="new", prompt="other", order=7, queue="q")
    task.refresh_from_db()
    assert (task.title, task.prompt, task.order, task.queue and task.queue.name) == ("new", "other", 7, "q")


def test_change_and_report_do_not_mix(as_alice: Agent, hands: TaskAgent) -> None:
    task = make_task(hands)
    as_alice.ask("next_task")
    mixed = as_alice.refused("update_task", task=str(task.uuid), attempt=1, title="t")
    assert fields_of(mixed) == {("title", "invalid")}
    lost = as_alice.refused("update_task", task=str(task.uuid), progress="p")
    assert fields_of(lost) == {("progress", "invalid")}
    assert as_alice.refused("update_task", task=str(task.uuid))["code"] == "validation_error"


def test_change_and_report_need_different_scopes(url: str, alice: User, hands: TaskAgent) -> None:
    task = make_task(hands)
    writer, worker = Agent(url, token_of(alice, "tasks:write")), Agent(url, token_of(alice, "tasks:work"))
    assert worker.refused("update_task", task=str(task.uuid), title="t")["code"] == "scope_missing"
    assert writer.ask("update_task", task=str(task.uuid), title="t")["title"] == "t"
    worker.ask("next_task")
    assert writer.refused("update_task", task=str(task.uuid), attempt=1)["code"] == "scope_missing"
    assert worker.ask("update_task", task=str(task.uuid), attempt=1)["status"] == "running"


def test_history_is_read_piece_by_piece(as_alice: Agent, echo: TaskAgent) -> None:
    task, claim = make_running(echo)
    lifecycle.record_output(claim=claim, text="one", offset=0)
    first = as_alice.ask("get_task_events", task=str(task.uuid), page_size=2)
    assert ([each["event"] for each in first["results"]], first["has_more"]) == (["task_created", "task_started"], True)
    rest = as_alice.ask("get_task_events", task=str(task.uuid), after=first["last_event_id"])
    assert ([each["data"]["text"] for each in rest["results"]], rest["has_more"]) == (["one"], False)
    nothing = as_alice.ask("get_task_events", task=str(task.uuid), after=rest["last_event_id"])
    assert (nothing["results"], nothing["last_event_id"]) == ([], rest["last_event_id"])
    only = as_alice.ask("get_task_events", task=str(task.uuid), kind="task_output", attempt=1)
    assert len(only["results"]) == 1


OF_ONE = ("get_task", "wait_for_task", "complete_task", "fail_task", "cancel_task", "retry_task", "update_task",
          "get_task_events")  # fmt: skip
NEEDED: dict[str, dict[str, Any]] = {
    "complete_task": {"attempt": 1, "result": "r"},
    "fail_task": {"attempt": 1, "reason": "r"},
    "update_task": {"title": "t"},
}


@pytest.mark.parametrize("tool", OF_ONE)
def test_id_that_is_none_is_refused(as_alice: Agent, tool: str) -> None:
    said = NEEDED.get(tool, {})
    assert as_alice.refused(tool, task=str(uuid4()), **said)["code"] == "not_found"
    for wrong in ("x", "", "../agents", "{}", "' OR 1=1", "a" * 10_000, f"{uuid4()}/cancel"):
        error = as_alice.refused(tool, task=wrong, **said)
        assert {field for field, _ in fields_of(error)} == {"task"}, wrong
    for wrong_type in (1, None, ["x"], {"a": 1}, True):
        assert fields_of(as_alice.refused(tool, task=wrong_type, **said)) == {("task", "invalid")}
    assert ("task", "required") in fields_of(as_alice.refused(tool, **said))
    assert ("typo", "unknown_field") in fields_of(as_alice.refused(tool, task=str(uuid4()), typo=1, **said))


@pytest.mark.parametrize(
    ("tool", "arguments", "field"),
    [
        ("add_task", {"agent": "nobody", "prompt": "p"}, "agent"),
        ("add_task", {"agent": "echo", "prompt": ""}, "prompt"),
        ("add_task", {"agent": "echo", "prompt": "   "}, "prompt"),
        ("add_task", {"agent": "echo", "prompt": "p" * 200_001}, "prompt"),
        ("add_task", {"agent": "echo", "prompt": 1}, "prompt"),
        ("add_task", {"agent": "echo", "prompt": "p", "order": 2**31}, "order"),
        ("add_task", {"agent": "echo", "prompt": "p", "order": "1"}, "order"),
        ("add_task", {"agent": "echo", "prompt": "p", "title": "two\nlines"}, "title"),
        ("add_task", {"agent": "echo", "prompt": "p", "not_before_at": "tomorrow"}, "not_before_at"),
        ("add_task", {"agent": "echo", "prompt": "p", "concurrency_policy": "x"}, "concurrency_policy"),
        ("add_task", {"agent": "echo", "prompt": "p", "status": "complete"}, "status"),
        ("add_task", {"agent": "a/b\n%", "prompt": "p"}, "agent"),
        ("add_tasks", {"tasks": []}, "tasks"),
        ("add_tasks", {"tasks": [{"agent": "echo"}]}, "tasks[0].prompt"),
        ("add_tasks", {"tasks": [{"agent": "echo", "prompt": "p"}] * 501}, "tasks"),
        ("add_tasks", {"tasks": {}}, "tasks"),
        ("list_tasks", {"status": "ready"}, "status"),
        ("list_tasks", {"status": ["ready", "ready"]}, "status"),
        ("list_tasks", {"status": ["sleeping"]}, "status[0]"),
        ("list_tasks", {"page_size": 101}, "page_size"),
        ("list_tasks", {"cursor": "x"}, "cursor"),
        ("list_tasks", {"search": "x" * 201}, "search"),
        ("next_task", {"agent": "echo"}, "agent"),
        ("next_task", {"lease_seconds": 0}, "lease_seconds"),
        ("next_task", {"lease_seconds": 86_401}, "lease_seconds"),
        ("next_task", {"queue": "none"}, "queue"),
        ("wait_for_task", {"timeout_seconds": 3_601}, "timeout_seconds"),
        ("wait_for_task", {"timeout_seconds": 0}, "timeout_seconds"),
        ("wait_for_task", {"after": -1}, "after"),
        ("get_task_events", {"page_size": 0}, "page_size"),
        ("get_task_events", {"kind": "x"}, "kind"),
    ],
)
def test_bad_argument_is_named(
    as_alice: Agent, echo: TaskAgent, tool: str, arguments: dict[str, Any], field: str
) -> None:
    if tool in OF_ONE:
        arguments = {"task": str(make_task(echo).uuid), **arguments}
    error = as_alice.refused(tool, **arguments)
    assert error["code"] == "validation_error"
    assert field in {name for name, _ in fields_of(error)}
    assert all(each["message"] for each in error["errors"])
    assert error["detail"]
    assert error["request_id"]


def test_unknown_tool_is_refused_as_the_older_server_did(as_alice: Agent) -> None:
    result = as_alice.call("nope")
    assert (result.is_error, text_of(result)) == (True, "MCP error -32602: Tool nope not found")
    assert result.structured_content["error"]["code"] == "not_found"


def test_arguments_that_are_no_object_are_a_protocol_error(url: str, alice: User) -> None:
    response = post(url, token_of(alice), message("tools/call", name="get_task", arguments=[1]))
    assert "-32602" in response.text or response.status_code == 400


def test_status_is_nobodys_to_write(as_alice: Agent, echo: TaskAgent) -> None:
    task = make_task(echo)
    error = as_alice.refused("update_task", task=str(task.uuid), status="complete")
    assert fields_of(error) == {("status", "unknown_field")}
    task.refresh_from_db()
    assert task.state == Status.READY
