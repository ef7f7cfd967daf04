"""The task operator over the API."""

from typing import Any, Final

import pytest
from django.contrib.auth.models import Permission

from accounts.models import User
from tasks import lifecycle, task_operator
from tasks.claims import Claim
from tasks.models import Agent, SystemSetting, Task
from tests.makers import claim_next, make_agent, make_operator, make_queue, make_token, make_user
from tests.tasks.api.client import Api, codes
from tests.tasks.api.test_openapi import fits

pytestmark = pytest.mark.django_db
OFF: dict[str, Any] = {
    "is_on": False, "at": None, "by": None, "agent": None, "agent_name": None, "queue": None, "trusts_prompts": True,
    "problem": None, "holder": None, "waiting": 0,
}  # fmt: skip
REFUSALS: Final = {
    "anonymous": (401, "not_authenticated"),
    "token for tasks": (403, "scope_missing"),
    "token for all": (405, "method_not_allowed"),
    "signed in": (405, "method_not_allowed"),
}
"""What methods that a route does not offer are answered with on any route that names no object."""


@pytest.fixture
def doer(operator: User) -> Agent:
    return make_agent(operator, name="doer", queue=make_queue(operator, name="operators"))


def insert(prompt: str = "by sql") -> Task:
    task = Task.objects.create(prompt=prompt)
    assert lifecycle.adopt(task_id=task.pk)
    task.refresh_from_db()
    return task


def test_one_that_was_never_turned_is_off(as_operator: Api) -> None:
    assert as_operator.get("task-operator").json() == OFF
    assert as_operator.get("task-operator/lock").json() == {"is_held": False, "holder": None}


def test_it_is_turned_on_read_and_turned_off(as_operator: Api, doer: Agent) -> None:
    insert()
    on = as_operator.post("task-operator", {"agent": "doer"}).json()
    assert (on["is_on"], on["agent"], on["agent_name"], on["queue"]) == (True, str(doer.uuid), "doer", "operators")
    assert (on["by"], on["waiting"], on["trusts_prompts"]) == ("olga", 1, True)
    assert on["at"].endswith("Z")
    fits(on, "TaskOperator")
    off = as_operator.delete("task-operator").json()
    assert (off["is_on"], off["agent_name"]) == (False, "doer")
    assert as_operator.post("task-operator").json()["agent_name"] == "doer"


def test_queue_and_trust_are_taken(as_operator: Api, doer: Agent) -> None:
    make_queue(name="lane")
    on = as_operator.post("task-operator", {"agent": str(doer.uuid), "queue": "lane", "trusts_prompts": False}).json()
    assert (on["queue"], on["trusts_prompts"]) == ("lane", False)


def test_holder_is_told_with_its_attempt_and_worker(as_operator: Api, doer: Agent) -> None:
    as_operator.post("task-operator", {"agent": "doer"})
    task = insert()
    task_operator.hand_out()
    waiting = as_operator.get("task-operator/lock").json()
    assert waiting["holder"] == {
        "task": str(task.uuid), "status": "ready", "attempt": 0, "worker": None, "since": None,
        "url": waiting["holder"]["url"],
    }  # fmt: skip
    claim_next(doer.queue)
    held = as_operator.get("task-operator").json()
    assert (held["holder"]["status"], held["holder"]["attempt"], held["holder"]["worker"]) == ("running", 1, "test")
    assert held["holder"]["since"] is not None
    assert as_operator.get(held["holder"]["url"]).json()["handed_out_at"] is not None
    fits(held, "TaskOperator")
    fits(as_operator.get("task-operator/lock").json(), "TaskOperatorLock")


def test_it_is_freed_from_what_holds_it(as_operator: Api, doer: Agent) -> None:
    as_operator.post("task-operator", {"agent": "doer"})
    assert as_operator.delete("task-operator/lock").json() == {"is_cleared": False}
    task = insert()
    task_operator.hand_out()
    claim_next(doer.queue)
    assert as_operator.delete("task-operator/lock").json() == {"is_cleared": True}
    assert as_operator.get(f"tasks/{task.uuid}").json()["status"] == "ready"


def test_work_of_an_outside_runner_is_not_stopped(as_operator: Api, doer: Agent) -> None:
    as_operator.post("task-operator", {"agent": "doer"})
    insert()
    task_operator.hand_out()
    lifecycle.park(claim=Claim.of(claim_next(doer.queue)))
    refused = as_operator.delete("task-operator/lock")
    assert (refused.status_code, refused.json()["code"]) == (409, "work_handed_over")


def test_without_an_agent_it_says_what_to_do(as_operator: Api) -> None:
    refused = as_operator.post("task-operator")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_default_agent")
    assert "task-operator" in refused.json()["detail"]
    assert not SystemSetting.objects.exists()


def test_problem_is_told(as_operator: Api, doer: Agent) -> None:
    as_operator.post("task-operator", {"agent": "doer"})
    Agent.objects.filter(pk=doer.pk).update(is_paused=True)
    told = as_operator.get("task-operator").json()
    assert told["problem"]["code"] == "agent_paused"
    fits(told, "TaskOperator")


@pytest.mark.security
def test_nobody_but_operators_sees_or_turns_it(as_alice: Api, agent: Agent) -> None:
    answers = [
        as_alice.get("task-operator"),
        as_alice.post("task-operator", {"agent": agent.name}),
        as_alice.delete("task-operator"),
        as_alice.get("task-operator/lock"),
        as_alice.delete("task-operator/lock"),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(403, "permission_denied")}
    assert not SystemSetting.objects.exists()


@pytest.mark.security
@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["task-operator", "task-operator/lock"])
def test_methods_that_are_not_offered_tell_no_more_than_elsewhere(alice: User, path: str, method: str) -> None:
    callers = {
        "anonymous": Api(),
        "token for tasks": Api(token=make_token(alice, "tasks:read", "tasks:write").text),
        "token for all": Api(token=make_token(alice).text),
        "signed in": Api(alice),
    }
    for name, caller in callers.items():
        found, elsewhere = caller.send(method, path), caller.send(method, "stop-switch")
        assert (found.status_code, found.json()["code"]) == REFUSALS[name]
        assert (found.json()["title"], found.json()["detail"]) == (
            elsewhere.json()["title"],
            elsewhere.json()["detail"],
        )


@pytest.mark.security
def test_staff_needs_the_permission(doer: Agent) -> None:
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_systemsetting"))
    assert Api(clerk).get("task-operator").status_code == 403
    clerk.user_permissions.add(Permission.objects.get(codename="change_systemsetting"))
    assert Api(clerk).get("task-operator").status_code == 200


@pytest.mark.security
def test_nobodys_agent_is_used_who_is_no_operator(as_operator: Api, agent: Agent) -> None:
    refused = as_operator.post("task-operator", {"agent": str(agent.uuid)})
    assert (refused.status_code, codes(refused)) == (400, {"agent": "not_an_operators"})


@pytest.mark.security
def test_agent_of_another_operator_needs_the_permission_to_change_it(doer: Agent) -> None:
    clerk = make_user("clerk", is_staff=True)
    names = ("view_systemsetting", "change_systemsetting")
    clerk.user_permissions.add(*Permission.objects.filter(codename__in=names))
    refused = Api(clerk).post("task-operator", {"agent": str(doer.uuid)})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_yours")
    assert Api(make_operator()).post("task-operator", {"agent": str(doer.uuid)}).status_code == 200


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"agent": "nobody"}, {"agent": "not_found"}),
        ({"agent": 7}, {"agent": "invalid"}),
        ({"agent": None}, {"agent": "null"}),
        ({"agent": "a" * 101}, {"agent": "max_length"}),
        ({"agent": "doer", "queue": "no/where\n%"}, {"queue": "not_found"}),
        ({"agent": "doer", "queue": "nowhere"}, {"queue": "not_found"}),
        ({"agent": "doer", "queue": "private"}, {"queue": "not_found"}),
        ({"agent": "doer", "trusts_prompts": "yes"}, {"trusts_prompts": "invalid"}),
        ({"agent": "doer", "is_on": True}, {"is_on": "unknown_field"}),
    ],
)
def test_a_wrong_body_turns_nothing(as_operator: Api, doer: Agent, body: Any, wrong: dict[str, str]) -> None:
    make_queue(make_user(), name="private")
    response = as_operator.post("task-operator", body)
    assert (response.status_code, codes(response)) == (400, wrong)
    assert not SystemSetting.objects.exists()


def test_queue_of_somebody_else_is_refused(as_operator: Api, doer: Agent) -> None:
    queue = make_queue(make_user())
    refused = as_operator.post("task-operator", {"agent": "doer", "queue": str(queue.uuid)})
    assert (refused.status_code, codes(refused)) == (400, {"queue": "not_the_owners"})


# --- Tasks without an agent, for operators -------------------------------------------------------------


def test_operators_see_what_has_no_agent_and_why_it_waits(as_operator: Api, as_alice: Api, doer: Agent) -> None:
    task = insert()
    listed = as_operator.get("tasks?owner=all").json()["results"]
    assert [(row["uuid"], row["owner"], row["agent"]) for row in listed] == [(str(task.uuid), None, None)]
    assert as_alice.get(f"tasks/{task.uuid}").json()["code"] == "not_yours"
    assert as_operator.get(f"tasks/{task.uuid}").json()["waiting"]["code"] == "task_operator_off"
    as_operator.post("task-operator", {"agent": "doer"})
    assert as_operator.get(f"tasks/{task.uuid}").json()["waiting"]["code"] == "task_operator_next"


def test_list_is_narrowed_to_what_has_no_agent(as_operator: Api, doer: Agent) -> None:
    task = insert()
    lifecycle.submit(actor=doer.owner, agent=doer, prompt="own")
    listed = as_operator.get("tasks?owner=all&unassigned=true").json()["results"]
    assert [row["uuid"] for row in listed] == [str(task.uuid)]
    others = as_operator.get("tasks?owner=all&unassigned=false").json()["results"]
    assert [row["prompt"] for row in others] == ["own"]


def test_operators_change_cancel_retry_and_archive_what_has_no_agent(as_operator: Api) -> None:
    task = insert()
    address = f"tasks/{task.uuid}"
    assert as_operator.patch(address, {"order": 3, "prompt": "other"}).json()["order"] == 3
    assert as_operator.post(f"{address}/cancel").json()["status"] == "cancelled"
    assert as_operator.post(f"{address}/retry").json()["status"] == "ready"
    assert as_operator.post(f"{address}/cancel").json()["status"] == "cancelled"
    assert as_operator.post(f"{address}/archive").json()["status"] == "archived"


def test_history_tells_of_handing_out(as_operator: Api, doer: Agent) -> None:
    as_operator.post("task-operator", {"agent": "doer"})
    task = insert()
    task_operator.hand_out()
    told = [event["event"] for event in as_operator.get(f"tasks/{task.uuid}/events").json()["results"]]
    assert told == ["task_created", "task_handed_out"]
    as_operator.delete("task-operator")
    last = as_operator.get(f"tasks/{task.uuid}/events").json()["results"][-1]
    assert (last["event"], last["data"]) == ("task_taken_back", {"reason": "task_operator_changed"})
