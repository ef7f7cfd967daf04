"""Who gets in, by which methods, and what strangers are told."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.urls import URLPattern

from accounts.models import Credential, User
from realtime.urls import urlpatterns
from tasks import bulk, conversations
from tasks.criteria import TaskCriteria
from tasks.models import Agent, Approval, Budget, BulkAction, Conversation, Queue, SystemSetting, Task, TaskEvent
from tasks.spending import budget_changes
from tests.accounts.clients import SecureClient
from tests.makers import make_agent, make_credential, make_queue, make_task
from tests.realtime.pages.reading import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.security]

TASK_VERBS = ["cancel", "retry", "backlog", "release", "archive", "restore"]
AGENT_VERBS = ["pause", "resume", "end-hold", "test"]
BY_POST_ONLY = [
    *(f"task-{verb}" for verb in TASK_VERBS),
    *(f"agent-{verb}" for verb in AGENT_VERBS),
    "approval-approve",
    "approval-deny",
    "credential-test",
    "queue-pause",
    "queue-resume",
    "bulk-action-stop",
    "dead-letters-retry",
    "stop-switch-on",
    "stop-switch-off",
    "socket-token",
]
FORMS = [
    "task-new",
    "task-edit",
    "agent-new",
    "agent",
    "agent-delete",
    "credential-new",
    "credential",
    "credential-delete",
    "conversation",
    "budget-new",
    "budget",
    "budget-delete",
    "queue-new",
    "queue",
    "queue-delete",
    "bulk-action-new",
    "dead-letters-discard",
]
ABOUT_A_TASK = ["", "/panel", "/output", "/edit"]
# Mail programs post there; the link's token is the proof.
BY_A_LINK = "notices-off"
WITHOUT_OBJECTS = {"", "overview", "dead-letters", "stop-switch", "session"}
QUERIES = {"bulk-action-new": "?action=cancel"}


_OTHERS: tuple[Any, ...] = (Approval, Budget, Conversation, Credential)


def addresses(task: Task, agent: Agent) -> Iterator[tuple[str, str]]:
    """The routes of the first pages under their names, about these objects; tests/access asks every route there is."""
    action = BulkAction.objects.get(owner=agent.owner)
    about = {
        "agents": agent.uuid,
        "tasks": task.uuid,
        "queues": own_queue(agent.owner).uuid,
        "bulk-actions": action.uuid,
        "approvals": Approval.objects.get(owner=agent.owner).uuid,
        "budgets": Budget.objects.get(owner=agent.owner).uuid,
        "conversations": Conversation.objects.get(owner=agent.owner).uuid,
        "credentials": Credential.objects.get(owner=agent.owner).uuid,
    }
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        route, name = str(pattern.pattern), str(pattern.name)
        noun = route.partition("/")[0]
        if noun not in about and noun not in WITHOUT_OBJECTS:
            continue
        uuid = about.get(noun)
        yield name, "/" + route.replace("<uuid:uuid>", str(uuid)) + QUERIES.get(name, "")


def own_queue(owner: User) -> Queue:
    return Queue.objects.get(owner=owner)


@pytest.fixture
def task(agent: Agent) -> Task:
    """Alice's, who has one of everything else, too."""
    make_queue(agent.owner, name="lane")
    make_credential(agent.owner, name="key")
    budget_changes.create(actor=agent.owner, owner=agent.owner, agent=agent, scope="total", token_limit=10**9)
    conversations.begin(agent=agent, title="birds")
    make_task(make_agent(agent.owner, name="careful", needs_approval=True))
    bulk.create(
        actor=agent.owner, action="archive", criteria=TaskCriteria(), shown_filter={"all": True}, task_owner=agent.owner
    )
    return make_task(agent)


def rows() -> tuple[Any, ...]:
    tasks = list(Task.objects.order_by("pk").values())
    agents = list(Agent.objects.order_by("pk").values())
    queues = list(Queue.objects.order_by("pk").values())
    actions = list(BulkAction.objects.order_by("pk").values())
    settings = list(SystemSetting.objects.values())
    settings += [row for model in _OTHERS for row in model.objects.order_by("pk").values()]
    return tasks, agents, queues, actions, settings, TaskEvent.objects.count(), User.objects.count()


def test_strangers_are_led_to_the_sign_in_page(client: SecureClient, task: Task, agent: Agent) -> None:
    for name, address in addresses(task, agent):
        answer = SecureClient().get(address)
        if name in BY_POST_ONLY:
            assert answer.status_code == 405
        else:
            assert answer.status_code == 302
            assert answer["Location"].startswith("/sign-in?next=/"), address


def test_strangers_change_nothing(task: Task, agent: Agent) -> None:
    before = rows()
    for name, address in addresses(task, agent):
        answer = SecureClient().post(address, {"name": "x", "prompt": "x"})
        expected = 401 if name == "socket-token" else 302 if name in [*BY_POST_ONLY, *FORMS] else 405
        assert answer.status_code == expected, address
    assert rows() == before


def test_posting_stranger_is_not_led_back_to_an_address_that_only_takes_posts(task: Task) -> None:
    answer = SecureClient().post(f"/tasks/{task.uuid}/cancel")
    assert answer["Location"] == "/sign-in?next=/"


def test_nothing_changes_by_reading(page: SecureClient, task: Task, agent: Agent) -> None:
    before = rows()
    for name, address in addresses(task, agent):
        for method in (page.get, page.head):
            query = {"ids": str(task.uuid)} if name == "task-rows" else {}
            answer = method(address, query)
            assert answer.status_code == (405 if name in BY_POST_ONLY else 200), address
    assert rows() == before


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_other_methods_are_refused(page: SecureClient, task: Task, agent: Agent, method: str) -> None:
    before = rows()
    for _, address in addresses(task, agent):
        assert getattr(page, method)(address).status_code == 405, address
    assert rows() == before


def test_every_write_needs_the_forms_token(alice: User, task: Task) -> None:
    browser = SecureClient(enforce_csrf_checks=True)
    browser.force_login(alice)
    before = rows()
    for pattern in urlpatterns:
        if pattern.name == BY_A_LINK:
            continue
        address = "/" + str(pattern.pattern).replace("<uuid:uuid>", str(task.uuid))
        answer = browser.post(address, {"name": "x"})
        assert answer.status_code == 403, address
        assert "could not be checked" in text_of(answer)
    assert rows() == before


class TestStranger:
    """Bob asks for what alice gets."""

    @pytest.mark.parametrize("path", ABOUT_A_TASK)
    def test_cannot_see_a_task(self, page: SecureClient, strange_page: SecureClient, task: Task, path: str) -> None:
        address = f"/tasks/{task.uuid}{path}"
        assert page.get(address).status_code == 200
        answer = strange_page.get(address)
        assert answer.status_code == 403
        assert "This belongs to somebody else." in text_of(answer)
        assert task.prompt not in text_of(answer)

    @pytest.mark.parametrize("verb", TASK_VERBS)
    def test_cannot_touch_a_task(self, strange_page: SecureClient, task: Task, verb: str) -> None:
        before = rows()
        assert strange_page.post(f"/tasks/{task.uuid}/{verb}").status_code == 403
        assert rows() == before

    def test_cannot_see_or_touch_anything_else(
        self, page: SecureClient, strange_page: SecureClient, task: Task, agent: Agent
    ) -> None:
        before = rows()
        theirs = ("queue", "queue-delete", "queue-pause", "queue-resume")
        others = (
            "bulk-action", "bulk-action-panel", "bulk-action-stop", "agent-pause", "agent-resume", "agent-test",
            "approval", "approval-approve", "approval-deny", "budget", "budget-delete",
            "conversation", "conversation-panel", "credential", "credential-delete", "credential-test",
        )  # fmt: skip
        for name, address in addresses(task, agent):
            if name not in [*theirs, *others]:
                continue
            if name not in BY_POST_ONLY:
                assert page.get(address).status_code == 200, address
                assert strange_page.get(address).status_code == 403, address
            if name in [*BY_POST_ONLY, *FORMS]:
                assert strange_page.post(address).status_code == 403, address
        assert rows() == before

    @pytest.mark.parametrize("path", ["", "/delete"])
    def test_cannot_see_or_touch_an_agent(
        self, page: SecureClient, strange_page: SecureClient, agent: Agent, path: str
    ) -> None:
        address = f"/agents/{agent.uuid}{path}"
        before = rows()
        assert page.get(address).status_code == 200
        assert strange_page.get(address).status_code == 403
        assert strange_page.post(address, {"name": "mine"}).status_code == 403
        assert rows() == before

    def test_does_not_find_others_tasks_in_lists(
        self, page: SecureClient, strange_page: SecureClient, task: Task
    ) -> None:
        for address in ("/", "/tasks", f"/tasks/rows?ids={task.uuid}"):
            assert str(task.uuid) in page.get(address).content.decode()
            assert str(task.uuid) not in strange_page.get(address).content.decode()

    def test_cannot_filter_by_others_queues(self, strange_page: SecureClient, task: Task, alice: User) -> None:
        assert strange_page.get(f"/tasks?queue={own_queue(alice).uuid}").status_code == 403
        assert strange_page.get(f"/bulk-actions/new?action=cancel&queue={own_queue(alice).uuid}").status_code == 403

    def test_cannot_use_or_filter_by_others_agents(self, strange_page: SecureClient, agent: Agent) -> None:
        assert strange_page.get(f"/tasks?agent={agent.uuid}").status_code == 403
        assert strange_page.get(f"/tasks/new?agent={agent.uuid}").status_code == 403
        answer = strange_page.post("/tasks/new", {"agent": str(agent.uuid), "prompt": "steal"})
        assert answer.status_code == 400
        assert not Task.objects.exists()

    def test_cannot_page_beside_others_tasks(self, strange_page: SecureClient, task: Task) -> None:
        assert strange_page.get(f"/tasks?before={task.uuid}").status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "tasks/{}", "tasks/{}/panel", "tasks/{}/output", "tasks/{}/edit", "agents/{}", "agents/{}/delete",
        "queues/{}", "queues/{}/delete", "bulk-actions/{}", "bulk-actions/{}/panel", "approvals/{}",
        "budgets/{}", "budgets/{}/delete", "conversations/{}", "conversations/{}/panel", "credentials/{}",
    ],
)  # fmt: skip
def test_unknown_objects_are_not_found(page: SecureClient, path: str) -> None:
    answer = page.get("/" + path.format(uuid4()))
    assert answer.status_code == 404
    assert "There is nothing at this address." in text_of(answer)


def test_operator_may_look_at_and_stop_everybodys_tasks(operators_page: SecureClient, task: Task) -> None:
    assert operators_page.get(f"/tasks/{task.uuid}").status_code == 200
    assert operators_page.post(f"/tasks/{task.uuid}/cancel").status_code == 302
    task.refresh_from_db()
    assert task.state.word == "cancelled"


def test_staff_without_permissions_is_a_stranger(bob: User, strange_page: SecureClient, task: Task) -> None:
    bob.is_staff = True
    bob.save()
    assert strange_page.get(f"/tasks/{task.uuid}").status_code == 403


def test_pages_are_not_kept_and_have_a_strict_policy(page: SecureClient) -> None:
    answer = page.get("/tasks")
    policy = answer["Content-Security-Policy"]
    assert answer["Cache-Control"] == "no-store"
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy


def test_pages_hold_no_inline_script_style_or_handler(page: SecureClient, task: Task, agent: Agent) -> None:
    for name, address in addresses(task, agent):
        if name in BY_POST_ONLY or name == "task-output":
            continue
        body = page.get(address, {"ids": str(task.uuid)} if name == "task-rows" else {}).content.decode()
        assert "<style" not in body
        assert " style=" not in body
        assert " onclick" not in body
        assert body.count("<script") == body.count('<script type="module" src="/static/'), address
