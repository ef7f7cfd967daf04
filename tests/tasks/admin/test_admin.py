"""Operators see everything in the admin and change it only through the product's own verbs."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from accounts.models import IdempotencyKey, KnownKey, ResetLetter, User
from tasks import events, heartbeats, lifecycle, stop_switch
from tasks.models import (
    Agent,
    BulkAction,
    Heartbeat,
    Queue,
    QueueStart,
    QueueTurn,
    SystemSetting,
    Task,
    TaskEvent,
    UserLimits,
)
from tasks.models.heartbeat import Role
from tasks.states import Status
from tests.accounts.clients import SecureClient
from tests.makers import kinds, make_agent, make_operator, make_queue, make_running, make_task, make_user

pytestmark = pytest.mark.django_db
MODELS = (Agent, BulkAction, Heartbeat, Queue, SystemSetting, Task, TaskEvent, User, UserLimits)
# What the machine alone reads: turns and starts of queues, answers that nobody but their receiver may see, and letters
# on their way, whose fate the audit trail tells.
UNSHOWN = {QueueStart, QueueTurn, IdempotencyKey, KnownKey, ResetLetter}


@pytest.fixture
def operator() -> User:
    return make_operator()


@pytest.fixture
def client(operator: User) -> SecureClient:
    client = SecureClient()
    client.force_login(operator)
    # The first request of a session puts it into the list of sign-ins.
    client.get("/account/sessions")
    return client


@pytest.fixture
def task() -> Task:
    return make_task(make_agent(make_user()), "a prompt", title="A title")


def changelist(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def change_url(instance: Any) -> str:
    meta = instance._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[instance.pk])


def change_page(instance: Any) -> str:
    """As `change_url`, for keys that are text."""
    meta = instance._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[quote(instance.pk)])


def act(client: SecureClient, action: str, *chosen: Any) -> str:
    data = {"action": action, "_selected_action": [item.pk for item in chosen]}
    response = client.post(changelist(type(chosen[0])), data, follow=True)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_lists_work_with_rows_search_and_hostile_queries(model: Any, client: SecureClient, task: Task) -> None:
    assert client.get(changelist(model)).status_code == 200
    assert client.get(changelist(model), {"q": str(task.uuid)}).status_code == 200
    for query in ("q=%00", "id__regex=(", "id__exact=%00", "p=abc", "o=9.9.9", "e=1"):
        assert client.get(f"{changelist(model)}?{query}").status_code in {200, 302, 400}, query


@pytest.mark.parametrize("model", MODELS)
def test_number_of_queries_of_a_list_does_not_grow(
    model: Any, client: SecureClient, django_assert_max_num_queries: Any
) -> None:
    for _ in range(8):
        make_running(make_agent(make_user()))
    with django_assert_max_num_queries(12):
        client.get(changelist(model))


def test_every_model_of_ours_is_in_the_admin() -> None:
    ours = {model for app in ("accounts", "tasks") for model in apps.get_app_config(app).get_models()}
    assert ours - UNSHOWN <= set(admin.site._registry)


def test_change_pages_open(client: SecureClient, task: Task) -> None:
    assert task.agent is not None
    event = task.events.get()
    for instance in (task, task.agent, task.agent.queue, event, task.owner):
        assert client.get(change_url(instance)).status_code == 200


def test_cancel_goes_through_the_lifecycle(client: SecureClient, task: Task, operator: User) -> None:
    act(client, "cancel", task)
    last = task.events.order_by("-id")[0]
    assert (last.kind, last.data["by"]) == (events.CANCELLED, operator.username)


def test_refused_action_says_why_and_changes_nothing(client: SecureClient, task: Task) -> None:
    page = act(client, "archive", task)
    assert "cannot take" in page
    assert kinds(task) == [events.CREATED]


def test_retry_and_archive(client: SecureClient, task: Task) -> None:
    act(client, "cancel", task)
    act(client, "retry", task)
    act(client, "cancel", task)
    act(client, "archive", task)
    assert Task.objects.get(pk=task.pk).state == Status.ARCHIVED


def test_posted_machine_fields_are_ignored(client: SecureClient, task: Task) -> None:
    data = {"title": "New", "prompt": task.prompt, "order": 3, "status": 1, "result": "forged", "attempts": 7}
    assert client.post(change_url(task), data).status_code == 302
    changed = Task.objects.get(pk=task.pk)
    assert (changed.title, changed.order) == ("New", 3)
    assert (changed.state, changed.result, changed.attempts) == (Status.READY, None, 0)
    assert kinds(task) == [events.CREATED, events.EDITED]


def test_running_task_cannot_be_edited(client: SecureClient) -> None:
    task, _claim = make_running(make_agent(make_user()))
    data = {"title": "New", "prompt": "other", "order": 0}
    response = client.post(change_url(task), data, follow=True)
    assert "cannot take" in response.content.decode()
    assert Task.objects.get(pk=task.pk).prompt == task.prompt


@pytest.mark.parametrize("model", [Task, TaskEvent])
def test_tasks_and_events_are_neither_added_nor_deleted(model: Any, client: SecureClient, task: Task) -> None:
    name = f"admin:tasks_{model._meta.model_name}"
    assert client.get(reverse(f"{name}_add")).status_code == 403
    pk = task.pk if model is Task else task.events.get().pk
    assert client.post(reverse(f"{name}_delete", args=[pk]), {"post": "yes"}).status_code == 403


def test_queue_is_paused_and_resumed(client: SecureClient) -> None:
    queue = make_queue()
    act(client, "pause", queue)
    assert Queue.objects.get(pk=queue.pk).is_paused
    act(client, "resume", queue)
    assert not Queue.objects.get(pk=queue.pk).is_paused


def test_agent_with_unfinished_tasks_is_not_deleted(client: SecureClient, task: Task) -> None:
    assert task.agent is not None
    assert "not finished" in act(client, "delete_unused", task.agent)
    lifecycle.cancel(actor=None, task=task)
    act(client, "delete_unused", task.agent)
    assert Agent.objects.get(uuid=task.agent.uuid).deleted_at is not None


def form_of(agent: Agent, **values: Any) -> dict[str, Any]:
    names = (
        "name", "description", "concurrency_limit", "timeout_seconds", "output_limit_bytes", "max_attempts",
        "retry_base_seconds", "retry_cap_seconds", "untrusted_policy",
    )  # fmt: skip
    return {"queue": agent.queue_id, "config": "{}", **{name: getattr(agent, name) for name in names}, **values}


def test_agent_is_changed_by_the_products_own_verb(
    client: SecureClient, task: Task, caplog: pytest.LogCaptureFixture
) -> None:
    agent = task.agent
    assert agent is not None
    data = form_of(agent, idle_timeout_seconds=9, waiting_timeout_seconds=90, retry_base_seconds=3)
    with caplog.at_level("INFO", "tasks.agents"):
        assert client.post(change_url(agent), data).status_code == 302
    agent.refresh_from_db()
    assert (agent.idle_timeout_seconds, agent.waiting_timeout_seconds, agent.retry_base_seconds) == (9, 90, 3)
    assert f"agent {agent.uuid} was changed" in caplog.text


def test_name_of_an_agent_that_is_taken_is_refused(client: SecureClient, task: Task) -> None:
    agent = task.agent
    assert agent is not None
    make_agent(agent.owner, name="taken")
    page = client.post(change_url(agent), form_of(agent, name="taken"), follow=True)
    assert "You already have an agent of this name." in page.content.decode()
    assert Agent.objects.get(pk=agent.pk).name == agent.name


def test_agent_is_paused_and_resumed(client: SecureClient, task: Task) -> None:
    agent = task.agent
    assert agent is not None
    act(client, "pause", agent)
    assert Agent.objects.get(pk=agent.pk).is_paused
    act(client, "resume", agent)
    assert not Agent.objects.get(pk=agent.pk).is_paused


def test_hold_of_an_agent_is_shown_and_ended(client: SecureClient) -> None:
    agent = make_agent(make_user())
    _task, claim = make_running(agent)
    lifecycle.fail(claim=claim, code="usage_limited")
    for page in (changelist(Agent), change_url(agent)):
        assert "(usage limit)" in client.get(page).content.decode()
    assert "(usage limit)" not in act(client, "end_hold", agent)
    assert Agent.objects.get(pk=agent.pk).held_until_at is None


def test_new_agent_and_queue_are_made_here(client: SecureClient) -> None:
    owner = make_user()
    queue_form = {"name": "slow", "owner": owner.pk, "concurrency_limit": 2, "rate_period_seconds": 60}
    assert client.post(reverse("admin:tasks_queue_add"), queue_form).status_code == 302
    queue = Queue.objects.get(name="slow")
    agent_form = form_of(Agent(name="scribe", queue=queue), kind="echo", owner=owner.pk)
    assert client.post(reverse("admin:tasks_agent_add"), agent_form).status_code == 302
    agent = Agent.objects.get(name="scribe")
    assert (agent.owner, agent.queue, queue.owner, queue.rate_limit) == (owner, queue, owner, None)


def test_rate_of_a_queue_is_set_and_lifted(client: SecureClient) -> None:
    queue = make_queue()
    data: dict[str, Any] = {"concurrency_limit": 10, "rate_limit": 7, "rate_period_seconds": 30}
    assert client.post(change_url(queue), data).status_code == 302
    queue.refresh_from_db()
    assert (queue.rate_limit, queue.rate_period_seconds) == (7, 30)
    assert client.post(change_url(queue), {**data, "rate_limit": "", "is_paused": "on"}).status_code == 302
    queue.refresh_from_db()
    assert (queue.rate_limit, queue.is_paused) == (None, True)


def test_user_gets_a_limit_of_their_own(client: SecureClient) -> None:
    user = make_user()
    add = reverse("admin:tasks_userlimits_add")
    assert client.post(add, {"user": user.pk, "running_limit": 0}).status_code == 200
    assert client.post(add, {"user": user.pk, "running_limit": 3}).status_code == 302
    assert UserLimits.objects.get(user=user).running_limit == 3


def test_times_of_a_task_have_labels_that_read_well(client: SecureClient, task: Task) -> None:
    for page in (changelist(Task), change_url(task)):
        content = client.get(page).content.decode()
        assert "reated at" in content
        assert "reatedat</" not in content


def test_switches_and_heartbeats_are_shown_and_never_written(client: SecureClient, operator: User) -> None:
    stop_switch.turn_on(actor=operator, reason="maintenance")
    heartbeats.beat(name="worker:a:1", role=Role.WORKER, started_at=timezone.now(), data={"slots": 4})
    for row in (SystemSetting.objects.get(), Heartbeat.objects.get()):
        assert row.pk in client.get(changelist(type(row))).content.decode()
        assert client.get(change_page(row)).status_code == 200
        assert client.post(change_page(row), {"name": "forged"}).status_code == 403


def test_wrong_configuration_of_an_agent_is_refused(client: SecureClient, task: Task) -> None:
    agent = task.agent
    assert agent is not None
    data = {
        "name": agent.name,
        "queue": agent.queue_id,
        "config": '{"word_delay_ms": "fast"}',
        "concurrency_limit": 1,
        "timeout_seconds": 60,
        "output_limit_bytes": 4096,
        "max_attempts": 1,
    }
    response = client.post(change_url(agent), data)
    assert response.status_code == 200
    assert "word_delay_ms" in response.content.decode()
    assert Agent.objects.get(pk=agent.pk).config == {}


@pytest.mark.security
@pytest.mark.parametrize("model", [Agent, Queue])
def test_hostile_first_values_of_a_form_are_ignored(model: Any, client: SecureClient) -> None:
    add = reverse(f"admin:tasks_{model._meta.model_name}_add")
    assert client.get(f"{add}?owner=%00").status_code == 200


@pytest.mark.security
def test_operator_without_permission_sees_nothing(task: Task) -> None:
    client = SecureClient()
    client.force_login(make_user(is_staff=True))
    assert client.get(changelist(Task)).status_code == 403
    assert client.get(change_url(task)).status_code == 403


@pytest.mark.security
def test_operator_who_may_only_look_cannot_act(task: Task) -> None:
    onlooker = make_user(is_staff=True)
    onlooker.user_permissions.add(Permission.objects.get(codename="view_task"))
    client = SecureClient()
    client.force_login(onlooker)
    act(client, "cancel", task)
    assert Task.objects.get(pk=task.pk).state == Status.READY
