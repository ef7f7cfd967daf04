"""What operators do to other people's objects, and where their powers end."""

import pytest
from django.contrib.auth.models import Permission

from accounts.models import User
from tasks.models import Agent, Task
from tests.makers import make_queue, make_task, make_user
from tests.tasks.api.client import Api

pytestmark = pytest.mark.django_db


@pytest.mark.security
@pytest.mark.parametrize("call", ["patch", "cancel"])
def test_member_of_staff_who_may_not_look_cannot_change_either(call: str, agent: Agent) -> None:
    erin = make_user("erin", is_staff=True)
    erin.user_permissions.add(Permission.objects.get(codename="change_task"))
    task = make_task(agent, title="hers")
    api = Api(User.objects.get(pk=erin.pk))
    if call == "patch":
        response = api.patch(f"tasks/{task.uuid}", {"title": "erin was here"})
    else:
        response = api.post(f"tasks/{task.uuid}/cancel")
    assert (response.status_code, response.json()["code"]) == (403, "not_yours")
    after = Task.objects.get(pk=task.pk)
    assert (after.title, after.state.word) == ("hers", "ready")


def test_queue_of_an_agent_is_named_among_those_of_its_owner(
    as_operator: Api, operator: User, alice: User, agent: Agent
) -> None:
    make_queue(operator, name="ops-private")
    make_queue(alice, name="alice-q")
    assert as_operator.patch(f"agents/{agent.uuid}", {"queue": "ops-private"}).status_code == 400
    response = as_operator.patch(f"agents/{agent.uuid}", {"queue": "alice-q"})
    assert (response.status_code, response.json()["queue"]) == (200, "alice-q")


@pytest.mark.parametrize("kind", ["agents", "queues"])
def test_name_in_the_form_of_an_id_is_refused(kind: str, as_alice: Api, agent: Agent) -> None:
    body = {"name": str(agent.uuid), **({"kind": "echo"} if kind == "agents" else {})}
    response = as_alice.post(kind, body)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "name")
