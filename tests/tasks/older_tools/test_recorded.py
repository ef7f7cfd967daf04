"""Every request that the older tools were seen to send, sent again, and the answers compared.

`recorded.json` holds what went over the wire between the older command-line tools and their service, in order.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from pytest_django.fixtures import Settings

from accounts.models import User
from tasks import lifecycle
from tasks.claims import Claim
from tasks.models import Queue, Task
from tasks.states import Status
from tests.makers import claim_or_none, make_agent
from tests.tasks.older_tools.client import OldClient

RECORDED: Final = json.loads((Path(__file__).parent / "recorded.json").read_text())

# The service allowed what its operator now has to allow.
TARGETS: Final = ["127.0.0.1:7657", "127.0.0.1:9"]

# Where we answer with another status, and why. Everything else has to have the older status and members.
DIFFERENCES: Final = {
    "delete_agent_missing": (404, "an unknown name is no failure of the service"),
    "delete_queue_missing": (404, "an unknown name is no failure of the service"),
    "create_recurring_bad_cron": (200, "intervals in words were promised and failed"),
    "create_name_with_colon": (200, "a colon is allowed in our names and was a failure of the store"),
    "create_name_with_slash_space": (400, "a name with a slash could not be asked for again by its path"),
    "create_queue_with_colon": (400, "the name is wrong, not the service"),
    "get_agent_cron": (200, "agents whose job had not run yet were not found"),
    "get_agent_boom_failed": (200, "agents whose job had failed were not found"),
    "delete_queue_default": (409, "the refusal is no failure of the service"),
    "delete_queue_busy": (409, "the refusal is no failure of the service"),
    "delete_agent_once_again": (404, "what is deleted is gone"),
    "get_agent_cron2_after_delete": (404, "a deleted agent went on firing"),
    "get_queue_hourly_after": (404, "a queue that was made for agents goes with the last of them"),
}

# There only when there is such a time.
TIMES: Final = {"lastRun", "nextRun"}
OF_OUR_ERRORS: Final = {"code", "request_id"}


@pytest.mark.django_db
def test_every_recorded_request_is_answered_in_the_older_shape(operator: User, settings: Settings) -> None:
    settings.PERSONALQ_INTERNAL_HOSTS = TARGETS
    make_agent(operator, name="cursor-runner")
    client = OldClient(operator)
    found = {}
    for number, recorded in enumerate(RECORDED):
        answer = client.send(recorded["method"], recorded["path"], recorded["body"])
        work_off()
        status, _ = DIFFERENCES.get(recorded["case"], (recorded["status"], ""))
        problem = compare(recorded, status, answer.status_code, answer.json())
        if problem:
            found[f"{number} {recorded['case']}"] = problem
    assert found == {}


def test_every_difference_is_about_a_recorded_case_and_a_real_one() -> None:
    statuses = {recorded["case"]: recorded["status"] for recorded in RECORDED}
    assert not [case for case, (status, _) in DIFFERENCES.items() if statuses[case] == status]


def compare(recorded: Any, status: int, given: int, answer: Any) -> str:
    if given != status:
        return f"{given} instead of {status}: {answer}"
    if status >= 400:
        return "" if set(answer) == {"error"} | OF_OUR_ERRORS and answer["error"].endswith(".") else str(answer)
    if recorded["status"] >= 400:
        return ""
    return "" if is_alike(recorded["answer"], answer) else f"{recorded['answer']} became {answer}"


def is_alike(older: Any, ours: Any) -> bool:
    """Whether both have the same members of the same types; of lists the first items are compared."""
    if isinstance(older, dict) and isinstance(ours, dict):
        names = set(older) | set(ours)
        return all(name in TIMES or (name in older and name in ours) for name in names) and all(
            is_alike(older[name], ours[name]) for name in set(older) & set(ours)
        )
    if isinstance(older, list) and isinstance(ours, list):
        return not (older and ours) or is_alike(older[0], ours[0])
    return type(older) is type(ours)


def work_off() -> None:
    """Carry out whatever waits, as the older service had done by the time of the next request."""
    for queue in Queue.objects.filter(tasks__status=Status.READY).distinct():
        while (task := claim_or_none(queue)) is not None:
            lifecycle.complete(claim=Claim.of(task), result="done")
    assert not Task.objects.filter(status=Status.READY).exists()
