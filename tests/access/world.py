"""Four people before one owner's things."""

from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts import audit, invitations, tokens
from accounts.models import AuditEvent, AuditMark, Credential, OneTimeCode, RecoveryCode, User
from accounts.models.audit_event import Outcome as AuditOutcome
from tasks import artifacts, bulk, conversations, heartbeats, lifecycle, older_tools, outside_work, schedules, targets
from tasks.criteria import TaskCriteria
from tasks.models import (
    Agent,
    Budget,
    BulkAction,
    ExpectedReport,
    ModelPrice,
    OlderAgent,
    Queue,
    ScheduleFire,
    SystemSetting,
    Task,
    UserLimits,
)
from tasks.runners import ArtifactFile
from tasks.spending.allowance import Wanted
from tasks.spending.usage import Usage
from tests.accounts.factors import make_factor
from tests.clients import fresh_client
from tests.makers import (
    PASSWORD,
    make_agent,
    make_credential,
    make_operator,
    make_queue,
    make_running,
    make_task,
    make_token,
    make_user,
)
from webhooks.doors import keeping
from webhooks.models import DeliveryAttempt, InboundRequest, Notice, NoticeChoice, TelegramRecording
from webhooks.outbound import endpoints
from webhooks.telegram import bots, incoming, links, replies
from webhooks.telegram.updates import Place

# Stands in everything that is the owner's, so that it is noticed wherever it appears.
CANARY: Final = "canary-of-the-owner"
ACTORS: Final = ("anonymous", "stranger", "owner", "operator")


@dataclass
class World:
    """The owner's things, and how each actor comes in."""

    users: dict[str, User]
    agent: Agent
    idle_agent: Agent
    queue: Queue
    tasks: dict[str, Task]
    bulk_action: BulkAction
    credential: Credential
    cookies: dict[str, str] = field(default_factory=dict)
    bearers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls) -> "World":
        users = {"stranger": make_user("bob"), "owner": make_user("alice"), "operator": make_operator("olga")}
        agent = make_agent(users["owner"], name="scribe")
        idle = make_agent(users["owner"], name="idle", description=CANARY)
        make_agent(users["operator"], name="doer")
        make_agent(users["operator"], name="task-operator")
        queue, tasks = make_queue(users["owner"], name=CANARY), _tasks_of(agent)
        credential = make_credential(users["owner"], provider="command", name=CANARY)
        world = cls(users, agent, idle, queue, tasks, _bulk_action_of(users["owner"]), credential)
        _make_spending(agent)
        _make_schedule(agent)
        make_token(users["owner"], name=CANARY)
        _make_endpoint(users["owner"])
        _make_door(agent)
        _make_notice(users["owner"])
        # Of somebody else: the owner's password alone is what the rows of signing in try.
        make_factor(make_user(f"factor {CANARY}"))
        invitations.make(actor=users["operator"], email=f"{CANARY}@example.net")
        _make_bot(agent)
        _make_older(users["owner"])
        Group.objects.create(name="group")
        ModelPrice.objects.create(provider="openai", model="of-the-matrix", input_price=1, output_price=1)
        UserLimits.objects.create(user=users["owner"], running_limit=5)
        SystemSetting.objects.create(name="note", value={})
        heartbeats.beat_sweep(started_at=timezone.now())
        for name, user in users.items():
            world.cookies[name] = _session_of(user)
            world.bearers[name] = tokens.issue_pair(user).access
        return world

    def client_of(self, actor: str, *, with_token: bool) -> tuple[Client, dict[str, str]]:
        """A fresh client with the actor's session, or headers with their token."""
        client = fresh_client()
        if actor == "anonymous":
            return client, {}
        if with_token:
            return client, {"Authorization": f"Bearer {self.bearers[actor]}"}
        client.cookies[settings.SESSION_COOKIE_NAME] = self.cookies[actor]
        return client, {}

    def fill(self, values: Any) -> Any:
        """Values with the world's ids in place of names such as ``{agent}``."""
        if isinstance(values, dict):
            return {name: self.fill(value) for name, value in values.items()}
        if isinstance(values, list):
            return [self.fill(value) for value in values]
        return values.format(**self._names()) if isinstance(values, str) else values

    def _names(self) -> dict[str, Any]:
        owner = self.users["owner"]
        return {
            "agent": self.agent.uuid,
            "idle_agent": self.idle_agent.uuid,
            "older_agent_id": OlderAgent.objects.values_list("pk", flat=True)[0],
            "operators_agent": self.users["operator"].agents.values_list("uuid", flat=True)[0],
            "shared_queue": Queue.objects.shared_default().uuid,
            "queue": self.queue.uuid,
            **{word: task.uuid for word, task in self.tasks.items()},
            "password": PASSWORD,
            "owner_id": owner.pk,
            "agent_id": self.agent.pk,
            "queue_id": self.queue.pk,
            "task_id": self.tasks["ready"].pk,
            "event_id": self.tasks["ready"].events.values_list("pk", flat=True)[0],
            "limits_id": UserLimits.objects.values_list("pk", flat=True)[0],
            "family_id": owner.token_families.values_list("pk", flat=True)[0],
            "credential": self.credential.uuid,
            "artifact": self.tasks["complete"].artifacts.values_list("uuid", flat=True)[0],
            "credential_id": self.credential.pk,
            "session": owner.token_families.filter(kind="api").values_list("uuid", flat=True)[0],
            **_ids_of_factor(),
            **_ids_of_invitation(),
            "token": owner.personal_tokens.values_list("uuid", flat=True)[0],
            "token_id": owner.personal_tokens.values_list("pk", flat=True)[0],
            **_ids_of_waiting(owner),
            **_ids_of_spending(owner),
            **_ids_of_schedule(owner),
            **_ids_of_endpoint(owner),
            **_ids_of_door(owner),
            **_ids_of_notice(owner),
            **_ids_of_bot(owner),
            "artifact_id": self.tasks["complete"].artifacts.values_list("pk", flat=True)[0],
            "conversation_id": owner.conversations.values_list("pk", flat=True)[0],
            "report_id": ExpectedReport.objects.values_list("pk", flat=True)[0],
            "target_id": owner.runner_targets.values_list("pk", flat=True)[0],
            "price_id": ModelPrice.objects.values_list("pk", flat=True)[0],
            "conversation": owner.conversations.values_list("uuid", flat=True)[0],
            "bulk_action": self.bulk_action.uuid,
            "bulk_action_id": self.bulk_action.pk,
            "group_id": Group.objects.values_list("pk", flat=True)[0],
            "task_type_id": ContentType.objects.get_for_model(Task).pk,
        }


def _ids_of_factor() -> dict[str, Any]:
    code = RecoveryCode.objects.select_related("factor").order_by("pk")[:1].get()
    return {"second_factor_id": code.factor.pk, "recovery_code_id": code.pk}


def _ids_of_invitation() -> dict[str, Any]:
    code = OneTimeCode.objects.get()
    return {"invitation": code.uuid, "code_id": code.pk}


def _ids_of_waiting(owner: User) -> dict[str, Any]:
    approval = owner.approvals.select_related("task__agent").get()
    digest = lifecycle.digest_of(approval.task)
    return {"approval": approval.uuid, "approval_id": approval.pk, "text_digest": digest}


def _ids_of_spending(owner: User) -> dict[str, Any]:
    budget, spending = owner.budgets.get(), owner.spending.get()
    return {
        "budget": budget.uuid,
        "budget_id": budget.pk,
        "spending_id": spending.pk,
        "attempt_spending_id": spending.attempts.values_list("pk", flat=True)[0],
    }


def _ids_of_schedule(owner: User) -> dict[str, Any]:
    schedule = owner.schedules.get(name=CANARY)
    return {"schedule": schedule.uuid, "schedule_id": schedule.pk, "fire_id": schedule.fires.get().pk}


def _ids_of_endpoint(owner: User) -> dict[str, Any]:
    endpoint = owner.webhook_endpoints.get()
    delivery = endpoint.deliveries.get()
    return {
        "endpoint": endpoint.uuid,
        "endpoint_id": endpoint.pk,
        "endpoint_secret_id": endpoint.secrets.get().pk,
        "delivery": delivery.uuid,
        "delivery_id": delivery.pk,
        "delivery_attempt_id": delivery.tries.get().pk,
    }


def _ids_of_notice(owner: User) -> dict[str, Any]:
    """What they are told, and what the audit trail says of them."""
    return {
        "notice_choice_id": owner.notice_choice.pk,
        "notice_id": owner.notices.values_list("pk", flat=True)[0],
        "audit_event_id": AuditEvent.objects.filter(owner_uuid=owner.uuid).values_list("pk", flat=True)[0],
        "audit_mark_id": AuditMark.objects.get().pk,
    }


def _ids_of_door(owner: User) -> dict[str, Any]:
    door = owner.doors.get(name=CANARY)
    return {
        "door": door.uuid,
        "door_id": door.pk,
        "door_secret_id": door.secrets.get().pk,
        "inbound_request_id": door.requests.get().pk,
    }


def _ids_of_bot(owner: User) -> dict[str, Any]:
    link = owner.telegram_links.select_related("bot").get()
    bot = link.bot
    return {
        "bot": bot.uuid,
        "bot_id": bot.pk,
        "link": link.uuid,
        "link_id": link.pk,
        "link_code_id": bot.link_codes.get().pk,
        "thread_id": link.threads.get().pk,
        "reply_id": bot.replies.get().pk,
        "recording_id": link.recordings.get().pk,
    }


def _make_bot(agent: Agent) -> None:
    """A Telegram bot with a link, its code, a task from there, and something to say and to hear."""
    token = f"5550003:{CANARY}-{CANARY}"
    identity = bots.Identity(telegram_id=5550003, username="canary_bot", token=token)
    bot = bots.create(actor=agent.owner, identity=identity, name=f"bot {CANARY}")
    code = links.make_code(actor=agent.owner, bot=bot, agent=agent)
    place = Place(chat_id=1, sender_id=1, chat_title=CANARY)
    link = links.link_by_code(bot=bot, place=place, text=code.text)
    assert link is not None
    # In a queue of its own: to claim elsewhere takes nothing of it.
    link.queue = make_queue(agent.owner, name="telegram")
    with transaction.atomic():
        incoming.bring_in(link, message_id=1, prompt=CANARY)
        replies.say_at(bot, place, CANARY)
    TelegramRecording.objects.create(link=link, message_id=2, file_id=CANARY)


def _make_door(agent: Agent) -> None:
    """A door, and a request that it has let in."""
    made = keeping.create(actor=agent.owner, name=CANARY, kind="github", agent=agent, instruction=CANARY)
    InboundRequest.objects.create(door=made.door, key=CANARY, outcome="ignored", code="ping")


def _make_notice(owner: User) -> None:
    """A choice of notices, a notice, and an act that concerns its owner."""
    NoticeChoice.objects.create(owner=owner)
    Notice.objects.create(owner=owner, kind="failed")
    # Where transactions are committed the chain has made its own.
    mark = {"number": 1, "seal": "0" * 64, "at": timezone.now(), "mac": "0" * 64}
    AuditMark.objects.get_or_create(kind="head", defaults=mark)
    audit.record("door.refused", AuditOutcome.DENIED, owner=owner, about=("door", owner.doors.get(name=CANARY).uuid))


def _make_endpoint(owner: User) -> None:
    """A webhook endpoint, and a delivery that was not answered."""
    url = f"https://hooks.example.org/{CANARY}"
    made = endpoints.create(actor=owner, name=CANARY, target_url=url, kinds=["schedule_missed"])
    DeliveryAttempt.objects.create(
        delivery=endpoints.send_test(endpoint=made.endpoint), number=1, code="too_slow", seconds=15, head=CANARY
    )


def _make_schedule(agent: Agent) -> None:
    """A schedule, and a time at which it brought in no task."""
    schedule = schedules.create(
        actor=agent.owner, name=CANARY, timing="cron", cron="0 9 * * *", agent=agent, prompt=CANARY, title=CANARY
    )
    ScheduleFire.objects.create(schedule=schedule, due_at=timezone.now(), outcome="failed", code=CANARY)


def _make_spending(agent: Agent) -> None:
    """A conversation, something that waits for approval, a budget and what was spent of it."""
    make_task(agent, CANARY, title=CANARY, conversation=conversations.begin(agent=agent, title=CANARY))
    careful = make_agent(agent.owner, name="careful", needs_approval=True)
    make_task(careful, CANARY, title=CANARY)
    Budget.objects.create(owner=agent.owner, agent=agent, scope="month", token_limit=10**6)
    # In a queue of its own: to claim there takes none of the other tasks.
    queue = make_queue(agent.owner, name="spending")
    _, claim = make_running(make_agent(agent.owner, name=f"spender {CANARY}", queue=queue))
    lifecycle.reserve(claim=claim, wanted=Wanted(tokens_in=1, tokens_out=1))
    lifecycle.expect_report(claim=claim, secret_digest="0" * 64)
    lifecycle.complete(claim=claim, result="done", usage=Usage(tokens_out=1))
    targets.note_failure(owner_id=agent.owner_id, base_url=f"https://{CANARY}.example.org")


def _tasks_of(agent: Agent) -> dict[str, Task]:
    owner = agent.owner
    _, first = make_running(agent)
    artifacts.keep(claim=first, file=ArtifactFile(name=CANARY, content=CANARY.encode()))
    complete = lifecycle.complete(claim=first, result="done")
    _, second = make_running(agent)
    hands = make_agent(owner, kind="external", name="hands")
    make_task(hands, CANARY)
    in_hand = outside_work.take_next(actor=owner, worker=CANARY)
    assert in_hand is not None
    make_task(hands, CANARY)
    archived = lifecycle.archive(actor=owner, task=lifecycle.complete(claim=second, result="done"))
    return {
        "in_hand": in_hand,
        "complete": complete,
        "archived": archived,
        "cancelled": lifecycle.cancel(actor=owner, task=make_task(agent, title=CANARY)),
        "backlogged": make_task(agent, title=CANARY, is_backlogged=True),
        "ready": make_task(agent, CANARY, title=CANARY),
    }


def _make_older(owner: User) -> None:
    """What the older tools have made: an agent, a prompt for the coding runner, and a queue that nothing uses."""
    make_agent(owner, name="cursor-runner")
    make_queue(owner, name="older-lane")
    schedule = "0 0 1 1 *"
    address = f"https://{CANARY}.example.org/run"
    older_tools.create_agent(actor=owner, wanted={"name": "older", "targetUrl": address, "schedule": schedule})
    older_tools.create_prompt(actor=owner, wanted={"name": "older prompt", "prompt": CANARY, "schedule": schedule})


def _bulk_action_of(owner: User) -> BulkAction:
    return bulk.create(
        actor=owner,
        action="cancel",
        criteria=TaskCriteria(search=CANARY),
        shown_filter={"search": CANARY},
        task_owner=owner,
        reason=CANARY,
    )


def _session_of(user: User) -> str:
    client = fresh_client()
    client.force_login(user)
    # Its row in the list of sign-ins is made with the first request.
    client.get("/account/sessions", secure=True)
    return client.cookies[settings.SESSION_COOKIE_NAME].value
