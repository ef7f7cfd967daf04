"""Short ways to make what tests need, through the product's own verbs."""

from typing import Any
from uuid import uuid4

from accounts import credentials
from accounts.models import Credential, User
from accounts.scopes import ALL
from accounts.tokens import personal_tokens
from accounts.tokens.personal_tokens import NewToken
from tasks import events, lifecycle, states
from tasks.claims import Claim
from tasks.models import Agent, Queue, Task
from tasks.states import Status

SECRET = "sk-0123456789abcdefghij"
PASSWORD = "a perfectly ordinary passphrase"


def make_user(name: str = "", **fields: Any) -> User:
    return User.objects.create_user(username=name or f"user-{uuid4().hex[:8]}", password=PASSWORD, **fields)


def make_operator(name: str = "") -> User:
    return make_user(name, is_staff=True, is_superuser=True)


def make_credential(owner: User, *, provider: str = "anthropic", secret: object = SECRET, name: str = "") -> Credential:
    name = name or f"credential-{uuid4().hex[:8]}"
    return credentials.create(actor=owner, name=name, provider=provider, secret=secret)


def make_token(owner: User, *scopes: str, name: str = "", **options: Any) -> NewToken:
    """A personal token with these scopes, or all there are."""
    name = name or f"token-{uuid4().hex[:8]}"
    return personal_tokens.create(actor=owner, name=name, scopes=scopes or ALL, **options)


def make_queue(owner: User | None = None, **fields: Any) -> Queue:
    fields.setdefault("name", f"queue-{uuid4().hex[:8]}")
    return Queue.objects.create(owner=owner, **fields)


def make_agent(owner: User, *, kind: str = "echo", queue: Queue | None = None, **fields: Any) -> Agent:
    fields.setdefault("name", f"agent-{uuid4().hex[:8]}")
    return Agent.objects.create(owner=owner, kind=kind, queue=queue or Queue.objects.shared_default(), **fields)


def make_task(agent: Agent, prompt: str = "say this", **fields: Any) -> Task:
    return lifecycle.submit(actor=agent.owner, agent=agent, prompt=prompt, **fields)


def claim_next(queue: Queue) -> Task:
    task = claim_or_none(queue)
    assert task is not None
    return task


def claim_or_none(queue: Queue) -> Task | None:
    return next(iter(lifecycle.claim(queue_id=queue.pk, worker="test").tasks), None)


def make_running(agent: Agent) -> tuple[Task, Claim]:
    make_task(agent)
    task = claim_next(agent.queue)
    return task, Claim.of(task)


def kinds(task: Task) -> list[str]:
    """The kinds of a task's events, oldest first."""
    return list(task.events.order_by("id").values_list("kind", flat=True))


VERB_OF = {
    events.STARTED: ("claim", Status.RUNNING),
    events.COMPLETED: ("complete", Status.COMPLETE),
    events.HELD: ("hold", Status.READY),
    events.CANCELLED: ("cancel", Status.CANCELLED),
    events.BACKLOGGED: ("backlog", Status.BACKLOGGED),
    events.RELEASED: ("release", Status.READY),
    events.APPROVED: ("release", Status.READY),
    events.ARCHIVED: ("archive", Status.ARCHIVED),
}


SAYS_NOTHING_OF_STATUS = {
    events.CREATED, events.OUTPUT, events.EDITED, events.MOVED, events.PARKED, events.ARTIFACT, events.DENIED,
    events.BUDGET_WARNING, events.ALARM, events.HANDED_OUT, events.TAKEN_BACK, events.PRUNED,
}  # fmt: skip


def assert_history_is_legal(task: Task) -> None:
    """Replay the events: each must be allowed where it stands, and the last must lead to the row's status."""
    status, before_archive = Status.READY, Status.READY
    for kind in kinds(task):
        if kind in SAYS_NOTHING_OF_STATUS:
            continue
        if kind == events.APPROVAL_REQUESTED:
            assert status in {Status.READY, Status.BACKLOGGED}, kinds(task)
            status = Status.BACKLOGGED
            continue
        if kind == events.RETRIED:
            assert states.may("retry", status) or states.may("give_back", status), kinds(task)
            status = Status.READY
        elif kind == events.FAILED:
            assert states.may("fail", status) or states.may("expire", status), kinds(task)
            before_archive, status = status, Status.FAILED
        elif kind == events.RESTORED:
            assert states.may("restore", status), kinds(task)
            status = before_archive
        else:
            verb, following = VERB_OF[kind]
            assert states.may(verb, status), kinds(task)
            before_archive, status = status, following
    assert status == Task.objects.get(pk=task.pk).state, kinds(task)
