"""What an older agent has beside it: its queue, its credential, its schedule, the row that remembers them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from django.db.models import F, QuerySet

from accounts import credential_access, credentials
from accounts.credentials import CredentialInUse
from accounts.models import Credential, Provider, User
from personalq.lib.errors import Conflict, NotFound
from tasks import access, queues, schedules
from tasks.models import DEFAULT_QUEUE, Agent, OlderAgent, OlderKind, Queue, Schedule
from tasks.older_tools.timing import When
from tasks.queues import QueueInUse
from tasks.runners.web.config import looks_secret

SHOWN_NAME: Final = 80


@dataclass(frozen=True, kw_only=True)
class Headers:
    """The headers of a request, sorted by where they are kept."""

    plain: dict[str, Any]
    secret: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Headers":
        secret = {name: value for name, value in given.items() if looks_secret(name)}
        return cls(plain={name: value for name, value in given.items() if name not in secret}, secret=secret)


def older_agents_of(user: User, kind: str) -> QuerySet[OlderAgent]:
    """What the older tools have made for a user and nobody has deleted since."""
    rows = OlderAgent.objects.filter(kind=kind, agent__owner=user, agent__deleted_at__isnull=True)
    if kind == OlderKind.PROMPT:
        rows = rows.filter(schedule__deleted_at__isnull=True)
    return rows.select_related("agent__queue", "agent__credential", "agent__owner", "schedule", "made_queue")


def hold_names(actor: User) -> None:
    """Let nobody else make something of the actor's by the older tools until the transaction ends."""
    User.objects.select_for_update(no_key=True).get(pk=actor.pk)


def queue_for(actor: User, name: str) -> tuple[Queue, Queue | None]:
    """The queue of this name, made if there is none; and the same again if it goes with what it was made for."""
    try:
        queue = access.queue_named(actor, name)
    except NotFound:
        if name == DEFAULT_QUEUE:
            return Queue.objects.shared_default(), None
        made = queues.create(actor=actor, name=name)
        return made, made
    is_made = OlderAgent.objects.filter(agent__owner=actor, made_queue=queue).exists()
    return queue, queue if is_made else None


def drop_queue(actor: User, queue: Queue | None) -> None:
    """Delete a queue that was made for older agents once nothing uses it; otherwise leave it as it is.

    Called after the transaction: many finished tasks are moved to the default queue in several of them.
    """
    if queue is None or OlderAgent.objects.filter(made_queue=queue, agent__queue=F("made_queue")).exists():
        return
    try:
        queues.delete(actor=actor, queue=queue)
    except (QueueInUse, Conflict, NotFound):
        return


def keep_secrets(actor: User, name: str, secret: Mapping[str, Any], older: OlderAgent | None) -> Credential | None:
    """The credential with the secret headers: the one that was made before, or a new one. None when there are none."""
    made = _made_credential(older)
    if not secret:
        return None
    if made is not None:
        return credentials.change(actor=actor, credential=made, secret=dict(secret))
    # No other credential can have the name: it ends in something that nobody has seen before.
    title = f"{name[:SHOWN_NAME]} headers {uuid4().hex[:8]}"
    return credentials.create(actor=actor, name=title, provider=Provider.HTTP, secret=dict(secret))


def forget_secrets(actor: User, older: OlderAgent) -> None:
    """Delete the credential that was made for it, unless another agent has it by now."""
    made = _made_credential(older)
    if made is None:
        return
    try:
        credentials.delete(actor=actor, credential=made)
    except CredentialInUse:
        return


def _made_credential(older: OlderAgent | None) -> Credential | None:
    if older is None or older.made_credential is None:
        return None
    return credential_access.credentials_of(older.agent.owner).filter(uuid=older.made_credential).first()


def put_schedule(
    actor: User, *, agent: Agent, name: str, prompt: str, when: When, before: Schedule | None = None
) -> Schedule:
    """The schedule of this name for the agent: a new one, or the one before, changed."""
    if before is None:
        return schedules.create(actor=actor, name=name, agent=agent, prompt=prompt, **when)
    changed = schedules.change(actor=actor, schedule=before, agent=agent, prompt=prompt, **when)
    return schedules.resume(actor=actor, schedule=changed) if changed.is_paused else changed


def existing_schedule(older: OlderAgent | None) -> Schedule | None:
    """Its schedule, unless somebody has deleted that since."""
    if older is None or older.schedule is None or older.schedule.deleted_at is not None:
        return None
    return older.schedule
