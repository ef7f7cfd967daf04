"""The task operator in the admin: told in words, turned by actions."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import User
from tasks import task_operator
from tasks.models import Agent, Task
from tests.makers import make_agent, make_operator, make_user

pytestmark = pytest.mark.django_db
LIST = "/admin/tasks/systemsetting/"


@pytest.fixture
def operator() -> User:
    return make_operator("olga")


@pytest.fixture
def doer(operator: User) -> Agent:
    doer = make_agent(operator, name="doer")
    task_operator.turn_on(actor=operator, agent=doer)
    return doer


def session(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def act(user: User, action: str) -> str:
    form = {"action": action, "_selected_action": ["task_operator", "task_operator_known"]}
    return session(user).post(LIST, form, secure=True, follow=True).content.decode()


def test_list_tells_in_words_how_it_stands(operator: User, doer: Agent) -> None:
    Task.objects.create(prompt="by sql")
    shown = session(operator).get(LIST, secure=True).content.decode()
    assert "On. Agent doer of olga, queue default. Prompts are instructions. Waiting: 1. No task holds it." in shown


def test_actions_turn_it_off_and_on(operator: User, doer: Agent) -> None:
    assert "Turned off: 1." in act(operator, "turn_off")
    assert not task_operator.read().is_on
    assert "Turned on: 1." in act(operator, "turn_on")
    assert (task_operator.read().is_on, task_operator.read().agent) == (True, doer)


def test_action_frees_it(operator: User, doer: Agent) -> None:
    task = Task.objects.create(
        prompt="by sql", owner=operator, agent=doer, queue=doer.queue, recorded_status=0, handed_out_at=timezone.now()
    )
    assert "Freed: 1." in act(operator, "free")
    task.refresh_from_db()
    assert task.agent is None


@pytest.mark.security
def test_staff_who_may_only_look_turns_nothing(operator: User, doer: Agent) -> None:
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_systemsetting"))
    assert "doer" in session(clerk).get(LIST, secure=True).content.decode()
    act(clerk, "turn_off")
    assert task_operator.read().is_on
