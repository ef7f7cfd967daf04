"""The page of the task operator."""

import pytest

from accounts.models import User
from tasks import lifecycle, task_operator
from tasks.claims import Claim
from tasks.models import Agent, Task
from tasks.states import Status
from tests.accounts.clients import SecureClient
from tests.makers import claim_next, make_agent, make_queue, make_user
from tests.realtime.pages.reading import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def doer(operator: User) -> Agent:
    return make_agent(operator, name="doer", queue=make_queue(operator, name="lane"))


def form_for(agent: Agent, **others: str) -> dict[str, str]:
    return {"agent": str(agent.uuid), "queue": "", "trusts_prompts": "on", "sure": "on", **others}


def insert(prompt: str = "by sql") -> Task:
    task = Task.objects.create(prompt=prompt)
    assert lifecycle.adopt(task_id=task.pk)
    task.refresh_from_db()
    return task


def test_page_and_its_links_are_for_operators(page: SecureClient, operators_page: SecureClient) -> None:
    assert "task operator" in text_of(operators_page.get("/")).lower()
    assert "task operator" not in text_of(page.get("/")).lower()
    assert page.get("/task-operator").status_code == 403
    assert page.post("/task-operator/off").status_code == 403
    assert page.post("/task-operator/clear").status_code == 403


def test_turned_on_it_hands_out_to_the_chosen_agent(operators_page: SecureClient, doer: Agent) -> None:
    insert("Water the plants.")
    assert "Water the plants." in text_of(operators_page.get("/task-operator"))
    assert operators_page.post("/task-operator", form_for(doer))["Location"] == "/task-operator"
    now = task_operator.read()
    assert (now.is_on, now.agent, now.queue, now.trusts_prompts) == (True, doer, doer.queue, True)
    shown = text_of(operators_page.get("/task-operator"))
    assert "doer of olga" in shown
    assert "1 without an agent" in shown


def test_prompts_can_be_made_text_from_outside(operators_page: SecureClient, doer: Agent) -> None:
    form = form_for(doer)
    del form["trusts_prompts"]
    operators_page.post("/task-operator", form)
    assert task_operator.read().trusts_prompts is False


def test_turning_on_has_to_be_meant(operators_page: SecureClient, doer: Agent) -> None:
    form = form_for(doer)
    del form["sure"]
    answer = operators_page.post("/task-operator", form)
    assert answer.status_code == 400
    assert "Tick this first" in text_of(answer)
    assert not task_operator.read().is_on


def test_while_it_is_on_a_change_needs_no_second_word(operators_page: SecureClient, doer: Agent) -> None:
    operators_page.post("/task-operator", form_for(doer))
    queue = make_queue(name="wide")
    form = form_for(doer, queue=str(queue.uuid))
    del form["sure"]
    assert operators_page.post("/task-operator", form).status_code == 302
    assert task_operator.read().queue == queue


@pytest.mark.security
def test_agents_of_others_than_operators_are_not_offered(operators_page: SecureClient, agent: Agent) -> None:
    assert "scribe" not in text_of(operators_page.get("/task-operator"))
    assert operators_page.post("/task-operator", form_for(agent)).status_code == 400
    assert not task_operator.read().is_on


def test_queue_of_somebody_else_is_refused(operators_page: SecureClient, doer: Agent) -> None:
    queue = make_queue(make_user())
    assert operators_page.post("/task-operator", form_for(doer, queue=str(queue.uuid))).status_code == 400


def test_it_is_turned_off(operators_page: SecureClient, doer: Agent) -> None:
    operators_page.post("/task-operator", form_for(doer))
    assert operators_page.post("/task-operator/off")["Location"] == "/task-operator"
    assert not task_operator.read().is_on


def test_holder_is_shown_and_put_behind(operators_page: SecureClient, doer: Agent) -> None:
    operators_page.post("/task-operator", form_for(doer))
    task = insert("Water <b>the plants</b>.")
    task_operator.hand_out()
    claim_next(doer.queue)
    answer = operators_page.get("/task-operator")
    assert "attempt 1 since" in text_of(answer)
    assert "worker test" in text_of(answer)
    assert "<b>the plants" not in answer.content.decode()
    operators_page.post("/task-operator/clear")
    task.refresh_from_db()
    assert (task.state, task.free_attempts) == (Status.READY, 1)
    assert "No task held" in text_of(operators_page.post("/task-operator/clear", follow=True))


def test_work_of_an_outside_runner_is_told(operators_page: SecureClient, doer: Agent) -> None:
    operators_page.post("/task-operator", form_for(doer))
    insert()
    task_operator.hand_out()
    lifecycle.park(claim=Claim.of(claim_next(doer.queue)))
    assert "An outside runner carries the task out." in text_of(
        operators_page.post("/task-operator/clear", follow=True)
    )


def test_problem_is_told(operators_page: SecureClient, doer: Agent) -> None:
    operators_page.post("/task-operator", form_for(doer))
    Agent.objects.filter(pk=doer.pk).update(is_paused=True)
    assert "Nothing starts. Its agent is paused." in text_of(operators_page.get("/task-operator"))


def test_live_parts_are_there_with_and_without_tasks(operators_page: SecureClient) -> None:
    empty = operators_page.get("/task-operator").content.decode()
    insert()
    full = operators_page.get("/task-operator").content.decode()
    for part in ('id="operator-now"', 'id="operator-lists"', 'id="announcement"', "js/task_operator"):
        assert (part in empty, part in full) == (True, True)


def test_more_than_fit_are_counted(operators_page: SecureClient) -> None:
    for number in range(9):
        insert(f"row {number}")
    assert "Next: 8 of 9" in text_of(operators_page.get("/task-operator"))


def test_history_of_a_task_tells_who_handed_it_out(operators_page: SecureClient, doer: Agent) -> None:
    operators_page.post("/task-operator", form_for(doer))
    task = insert()
    task_operator.hand_out()
    assert "Handed out by the task operator" in text_of(operators_page.get(f"/tasks/{task.uuid}"))
    operators_page.post("/task-operator/off")
    shown = text_of(operators_page.get(f"/tasks/{task.uuid}"))
    assert "Taken back by the task operator" in shown
    assert "it was turned off, or another agent was chosen" in shown
