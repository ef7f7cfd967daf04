"""Making, changing, opening, closing and deleting doors, for API, pages, commands and admin alike.

Callers find the objects through `webhooks.access` first; the rules about values hold whoever calls.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict, Unpack

from django.conf import settings
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from accounts import audit
from accounts.models import User
from accounts.models.audit_event import Outcome
from accounts.quotas import QuotaReached, take_place
from accounts.refusals import not_yours
from personalq.lib.constraints import NameTaken, conflicts
from personalq.lib.errors import Conflict, FieldError, InvalidInput, NotFound
from tasks import locks
from tasks.models import Agent, Queue
from webhooks.doors import secrets, templates
from webhooks.models import Door, DoorKind

TEMPLATED: Final = frozenset({DoorKind.STANDARD, DoorKind.GITHUB, DoorKind.GITLAB, DoorKind.HMAC, DoorKind.ELEVENLABS})
"""Kinds whose doors make a task of a payload by a template."""
_SIGNATURE_FIELDS: Final = (
    "signature_header", "signature_prefix", "signature_digest", "signature_encoding", "timestamp_header", "id_header",
)  # fmt: skip
NEEDED_BY_HMAC: Final = ("signature_header", "signature_digest", "signature_encoding")
_HEADER_FIELDS: Final = ("signature_header", "timestamp_header", "id_header")
# RFC 9110, 5.6.2, without the underscore, which servers take for a hyphen.
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")
_PREFIX: Final = re.compile(r"[!-~]*")
# They say something else already, or never arrive.
_TAKEN_HEADERS: Final = frozenset(
    {
        "authorization", "connection", "content-encoding", "content-length", "content-type", "cookie", "forwarded",
        "host", "transfer-encoding", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto",
        "x-real-ip",
    }
)  # fmt: skip


class NoTemplate(Conflict):
    """What comes in by such a door is carried out at once, or is a message."""

    code = "no_template"
    title = "Doors of this kind make no task of a payload."
    advice = "Try it with a door for webhooks."


class SecretNotTold(Conflict):
    """Whoever knew this secret could write in the name of everybody who is linked to the bot."""

    code = "secret_not_told"
    title = "Nobody is told the secret of a bot's door."
    advice = "Rotate it on the bot's page, or by its route: that makes a new one and tells it to Telegram alone."


class DoorFields(TypedDict, total=False):
    """What may be left out. Without a queue its tasks go to the agent's."""

    agent: Agent | None
    queue: Queue | None
    instruction: str
    template: str
    title_template: str
    signature_header: str
    signature_prefix: str
    signature_digest: str
    signature_encoding: str
    timestamp_header: str
    id_header: str


class DoorChanges(DoorFields, total=False):
    """What can be changed later."""

    name: str


_CHANGEABLE: Final = frozenset(DoorChanges.__annotations__)


@dataclass(frozen=True, kw_only=True)
class NewDoor:
    """A door and its secret, which is not shown again."""

    door: Door
    secret: str = field(repr=False)


@sensitive_variables()
def create(*, actor: User, name: str, kind: str, secret: str = "", **fields: Unpack[DoorFields]) -> NewDoor:
    """Make a door of `actor`; without `secret` one is made.

    Raises ValidationError or InvalidInput naming the field, NotYours, NameTaken, QuotaReached, SecretInUse, or Conflict
    when agent or queue vanished.
    """
    door = Door(owner=actor, name=name, kind=kind, **fields)
    _check(door, actor)
    plain = secrets.checked(kind, secret) if secret else secrets.new_secret(kind)
    limit = settings.PERSONALQ_DOORS_PER_USER
    with conflicts(taken=_name_taken(), gone=_gone("agent or queue")), transaction.atomic():
        take_place(actor, actor.doors.all(), limit, QuotaReached.of(limit, "doors"))
        _keep_references(door)
        door.save()
        secrets.keep(door, plain)
        _record("door.made", door, actor, door_kind=kind)
    return NewDoor(door=door, secret=plain)


def change(*, actor: User, door: Door, **changes: Unpack[DoorChanges]) -> Door:
    """Change a door; what is not given stays. Raises as `create`, and NotFound when it was deleted meanwhile."""
    with conflicts(taken=_name_taken(), gone=_gone("agent or queue")), transaction.atomic():
        current = _lock(door)
        before = _values(current)
        for name, value in changes.items():
            setattr(current, name, value)
        _check(current, actor)
        changed = sorted(name for name, value in _values(current).items() if value != before[name])
        if changed:
            _keep_references(current)
            current.save()
            _record("door.changed", current, actor, changed=changed)
    return current


@sensitive_variables()
def rotate(*, actor: User, door: Door, keep_old_seconds: int, secret: str = "") -> str:
    """As `secrets.rotate`, for somebody who is shown the secret. Raises SecretNotTold for a bot's door, too."""
    if door.kind == DoorKind.TELEGRAM:
        raise SecretNotTold
    return secrets.rotate(actor=actor, door=door, keep_old_seconds=keep_old_seconds, secret=secret)


def close(*, actor: User, door: Door) -> Door:
    """Let nothing in. Repeating it changes nothing."""
    return _set_open(door, actor, "door.closed", is_open=False)


def reopen(*, actor: User, door: Door) -> Door:
    """Let requests in again. Repeating it changes nothing."""
    return _set_open(door, actor, "door.opened", is_open=True)


@transaction.atomic
def delete(*, actor: User, door: Door) -> None:
    """Delete a door with its secrets and what it remembers of requests; its tasks stay.

    Raises NotFound when it is deleted already.
    """
    current = _lock(door, no_key=False)
    _record("door.deleted", current, actor, door_kind=current.kind, name=current.name)
    current.delete()


def address_of(door: Door) -> str:
    """Where its sender has to send to."""
    return f"{settings.PERSONALQ_PUBLIC_URL}{path_of(door)}"


def path_of(door: Door) -> str:
    """The address without host."""
    if door.kind == DoorKind.AGENT_TOOLS:
        return "/agent-tools"
    place = {DoorKind.TELEGRAM: "telegram", DoorKind.ELEVENLABS: "elevenlabs"}.get(DoorKind(door.kind), "in")
    return f"/webhooks/{place}/{door.uuid}"


@transaction.atomic
def _set_open(door: Door, actor: User, deed: str, *, is_open: bool) -> Door:
    current = _lock(door)
    if current.is_open != is_open:
        current.is_open = is_open
        current.save(update_fields=["is_open", "updated_at"])
        _record(deed, current, actor)
    return current


def _check(door: Door, actor: User) -> None:
    """Raises InvalidInput or ValidationError naming the field, or NotYours."""
    if door.kind not in DoorKind.values:
        raise InvalidInput.for_field("kind", "invalid_choice", f"Use one of: {', '.join(DoorKind.values)}.")
    _check_references(door, actor)
    _check_signature(door)
    templates.check(door.template)
    templates.check(door.title_template, name="title_template")
    if door.kind not in TEMPLATED and (door.template or door.title_template):
        raise InvalidInput.for_field("template", "not_of_this_kind", "Doors of this kind take no template.")
    door.clean_fields(exclude={"owner", "agent", "queue"})
    door.validate_constraints(exclude={"owner", "name", "agent", "queue"})


def _check_references(door: Door, actor: User) -> None:
    if door.agent is None and door.kind != DoorKind.TELEGRAM:
        raise InvalidInput.for_field("agent", "required", "Name the agent that works on what comes in.")
    if door.agent is not None and door.agent.owner_id != door.owner_id:
        raise not_yours(actor, door.agent)
    if door.queue is not None and not door.queue.is_shared and door.queue.owner_id != door.owner_id:
        raise not_yours(actor, door.queue)


def _check_signature(door: Door) -> None:
    if door.kind != DoorKind.HMAC:
        given = [name for name in _SIGNATURE_FIELDS if getattr(door, name)]
        if given:
            raise InvalidInput.for_field(given[0], "not_of_this_kind", "Only doors of the kind hmac have this.")
        return
    missing = [name for name in NEEDED_BY_HMAC if not getattr(door, name)]
    if missing:
        message = "A door of the kind hmac needs it."
        raise InvalidInput(errors=[FieldError(name, "required", message) for name in missing])
    _check_headers(door)
    if not _PREFIX.fullmatch(door.signature_prefix):
        raise InvalidInput.for_field("signature_prefix", "characters", "Use visible ASCII characters without spaces.")


def _check_headers(door: Door) -> None:
    named = {name: value.lower() for name in _HEADER_FIELDS if (value := getattr(door, name))}
    for name, value in named.items():
        if not _HEADER_NAME.fullmatch(value):
            message = "Use letters, digits and hyphens; servers drop headers with an underscore."
            raise InvalidInput.for_field(name, "header_name", message)
        if value in _TAKEN_HEADERS:
            raise InvalidInput.for_field(name, "header_not_allowed", "This header says something else already.")
        if list(named.values()).count(value) > 1:
            raise InvalidInput.for_field(name, "header_twice", "Name another header for each.")


def _values(door: Door) -> dict[str, Any]:
    fields = [each for each in Door._meta.concrete_fields if each.name in _CHANGEABLE]
    return {each.name: each.value_from_object(door) for each in fields}


def _keep_references(door: Door) -> None:
    """Let nobody delete agent and queue until this transaction ends. Raises Conflict when somebody has."""
    if door.queue_id is not None and not locks.keep_queue(door.queue_id):
        raise _gone("queue")
    if door.agent_id is not None and not locks.keep_agents({door.agent_id}):
        raise _gone("agent")


def _lock(door: Door, *, no_key: bool = True) -> Door:
    rows = Door.objects.select_for_update(no_key=no_key, of=("self",)).select_related("owner", "agent", "queue")
    current = rows.filter(pk=door.pk).first()
    if current is None:
        raise NotFound
    return current


def _record(kind: str, door: Door, actor: User, **facts: Any) -> None:
    audit.record(kind, Outcome.DONE, actor=actor, owner=door.owner, about=("door", door.uuid), **facts)


def _name_taken() -> NameTaken:
    return NameTaken("You already have a door of this name.")


def _gone(noun: str) -> Conflict:
    return Conflict(f"The {noun} was deleted at this moment. Choose another {noun}.")
