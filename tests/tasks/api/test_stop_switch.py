"""The switch that stops everything, over the API."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission

from tasks.models import Agent, SystemSetting
from tests.makers import claim_or_none, kinds, make_running, make_task, make_user
from tests.tasks.api.client import Api, codes

pytestmark = pytest.mark.django_db


def test_the_switch_stops_what_runs_and_lets_it_go_on(as_alice: Api, as_operator: Api, agent: Agent) -> None:
    task, _ = make_running(agent)
    assert as_operator.post("stop-switch", {"reason": "The provider is on fire."}).json()["is_on"] is True
    stopped = as_alice.get(f"tasks/{task.uuid}").json()
    assert (stopped["status"], stopped["attempts_counted"], stopped["waiting"]["code"]) == ("ready", 0, "stop_switch")
    assert claim_or_none(agent.queue) is None
    assert as_operator.delete("stop-switch").json()["is_on"] is False
    assert claim_or_none(agent.queue) == task


def test_what_runs_may_be_left_to_finish(as_alice: Api, as_operator: Api, agent: Agent) -> None:
    task, _ = make_running(agent)
    make_task(agent)
    assert as_operator.post("stop-switch", {"running": "finish"}).status_code == 200
    assert as_alice.get(f"tasks/{task.uuid}").json()["status"] == "running"
    assert claim_or_none(agent.queue) is None


def test_everybody_may_know_and_only_operators_who(as_alice: Api, as_operator: Api) -> None:
    as_operator.post("stop-switch", {"reason": "maintenance"})
    seen, known = as_alice.get("stop-switch").json(), as_operator.get("stop-switch").json()
    assert seen == {"is_on": True, "at": known["at"], "reason": "maintenance"}
    assert known["by"] == "olga"
    assert known["at"].endswith("Z")


def test_a_switch_that_was_never_turned_is_off(as_alice: Api, as_operator: Api) -> None:
    off: dict[str, Any] = {"is_on": False, "at": None, "reason": None}
    assert as_alice.get("stop-switch").json() == off
    assert as_operator.get("stop-switch").json() == {**off, "by": None}


def test_repeating_changes_nothing(as_operator: Api, agent: Agent) -> None:
    task, _ = make_running(agent)
    for _ in range(2):
        assert as_operator.post("stop-switch").json()["is_on"] is True
    first = as_operator.delete("stop-switch").json()
    assert as_operator.delete("stop-switch").json() == first
    assert kinds(task).count("task_retried") == 1


@pytest.mark.security
def test_nobody_but_operators_turns_it(as_alice: Api) -> None:
    for answer in (as_alice.post("stop-switch", {"reason": "mine"}), as_alice.delete("stop-switch")):
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert not SystemSetting.objects.exists()


@pytest.mark.security
def test_staff_needs_the_permission(agent: Agent) -> None:
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_systemsetting"))
    assert Api(clerk).post("stop-switch").status_code == 403
    assert "by" in Api(clerk).get("stop-switch").json()
    clerk.user_permissions.add(Permission.objects.get(codename="change_systemsetting"))
    assert Api(clerk).post("stop-switch").status_code == 200


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"reason": None}, {"reason": "null"}),
        ({"reason": 1}, {"reason": "invalid"}),
        ({"reason": "a" * 501}, {"reason": "max_length"}),
        ({"running": "kill"}, {"running": "invalid_choice"}),
        ({"running": None}, {"running": "null"}),
        ({"is_on": False}, {"is_on": "unknown_field"}),
    ],
)
def test_a_wrong_body_turns_nothing(as_operator: Api, body: Any, wrong: dict[str, str]) -> None:
    response = as_operator.post("stop-switch", body)
    assert (response.status_code, codes(response)) == (400, wrong)
    assert not SystemSetting.objects.exists()


def test_longest_reason_is_fine(as_operator: Api) -> None:
    assert as_operator.post("stop-switch", {"reason": "é" * 500}).json()["reason"] == "é" * 500


def test_who_has_used_up_the_changes_of_queues_can_still_stop_everything(as_operator: Api, settings: Any) -> None:
    settings.PERSONALQ_RATE_QUEUE_CHANGE = "1/h"
    assert [as_operator.post("queues", {"name": name}).status_code for name in ("a", "b")] == [201, 429]
    assert as_operator.post("stop-switch").status_code == 200
