"""Who may see and change which door, bot, link, endpoint and delivery: the only way in to them.

Owners may do everything with their own. Operators (staff, by Django's model permissions) may see and change all.
Somebody else's object is refused as `not_yours`; an id that does not exist is not found.
"""

from typing import Any, Literal, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from accounts.models import User
from accounts.refusals import not_yours
from personalq.lib.errors import NotFound
from webhooks.models import Delivery, Door, Endpoint, TelegramBot, TelegramLink

Deed = Literal["view", "change"]
M = TypeVar("M", bound=Model)


def is_operator_for(user: User, model: type[Model], deed: Deed) -> bool:
    """Whether a user may do this with everybody's objects of a kind."""
    if not (user.is_active and user.is_staff):
        return False
    # Who may change must be able to see what came of it.
    return all(user.has_perm(f"webhooks.{each}_{model._meta.model_name}") for each in {"view", deed})


def may(user: User, found: Any, deed: Deed) -> bool:
    """Whether a user may do this with a door, bot, link, endpoint or delivery."""
    return owner_id_of(found) == user.pk or is_operator_for(user, type(found), deed)


def owner_id_of(found: Any) -> int:
    """Whose it is."""
    owner_id: int = _holder(found).owner_id
    return owner_id


def owner_of(found: Any) -> User:
    """The same as a user."""
    owner: User = _holder(found).owner
    return owner


def _holder(found: Any) -> Any:
    """What carries the owner: a bot's door, a delivery's endpoint, or the object itself."""
    if isinstance(found, TelegramBot):
        return found.door
    return found.endpoint if isinstance(found, Delivery) else found


def doors_of(user: User) -> QuerySet[Door]:
    return Door.objects.filter(owner=user)


def bots_of(user: User) -> QuerySet[TelegramBot]:
    return TelegramBot.objects.filter(door__owner=user)


def shared_bots() -> QuerySet[TelegramBot]:
    """Those that everybody may link an account to."""
    return TelegramBot.objects.filter(is_shared=True, door__owner__is_active=True)


def links_of_bot(bot: TelegramBot) -> QuerySet[TelegramLink]:
    """For whoever may see the bot."""
    return TelegramLink.objects.filter(bot=bot)


def links_of(user: User) -> QuerySet[TelegramLink]:
    return TelegramLink.objects.filter(owner=user)


def endpoints_of(user: User) -> QuerySet[Endpoint]:
    return Endpoint.objects.filter(owner=user)


def door_for(user: User, uuid: UUID, deed: Deed = "view") -> Door:
    """The door of this id. Raises NotFound, or NotYours when it belongs to somebody else."""
    return _one(user, Door.objects.select_related("owner", "agent", "queue"), uuid, deed)


def bot_for(user: User, uuid: UUID, deed: Deed = "view") -> TelegramBot:
    """The bot of this id. Raises NotFound, or NotYours when its door belongs to somebody else."""
    return _one(user, TelegramBot.objects.select_related("door__owner", "speech_credential"), uuid, deed)


def bot_to_link(user: User, uuid: UUID) -> TelegramBot:
    """The bot of this id, to which the user may link an account: an own one or a shared one. Raises as `bot_for`."""
    found = TelegramBot.objects.select_related("door__owner").filter(uuid=uuid).first()
    if found is None:
        raise NotFound
    if not found.is_shared and found.door.owner_id != user.pk:
        raise not_yours(user, found, owner=owner_of(found))
    return found


def link_for(user: User, uuid: UUID, deed: Deed = "view") -> TelegramLink:
    """The link of this id. Raises NotFound, or NotYours when it is to somebody else's account."""
    return _one(user, TelegramLink.objects.select_related("bot__door", "owner", "agent", "queue"), uuid, deed)


def endpoint_for(user: User, uuid: UUID, deed: Deed = "view") -> Endpoint:
    """The endpoint of this id. Raises NotFound, or NotYours when it belongs to somebody else."""
    return _one(user, Endpoint.objects.select_related("owner"), uuid, deed)


def delivery_for(user: User, uuid: UUID, deed: Deed = "view") -> Delivery:
    """The delivery of this id. Raises NotFound, or NotYours when its endpoint belongs to somebody else."""
    return _one(user, Delivery.objects.select_related("endpoint__owner"), uuid, deed)


def _one(user: User, rows: QuerySet[M], uuid: UUID, deed: Deed) -> M:
    found = rows.filter(uuid=uuid).first()
    if found is None:
        raise NotFound
    if not may(user, found, deed):
        raise not_yours(user, found, owner=owner_of(found))
    return found
