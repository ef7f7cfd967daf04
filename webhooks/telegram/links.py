"""Links between people in chats and accounts: made by a code that is good once, changed, and ended."""

import logging
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from accounts import audit, quotas
from accounts.models import User
from accounts.models.audit_event import Outcome
from accounts.refusals import not_yours
from personalq.lib.errors import Conflict, NotFound
from tasks import access as tasks_access
from tasks import locks
from tasks.models import Agent, Queue
from webhooks.models import TelegramBot, TelegramLink, TelegramLinkCode
from webhooks.telegram.updates import Place

CODE_BYTES: Final = 16
CODE_LIFE: Final = timedelta(minutes=10)
LONGEST_CODE: Final = 64
"""As long as what follows ?start= may be."""
NOUN: Final = "telegram_link"

_logger = logging.getLogger(__name__)


class LinkedElsewhere(Conflict):
    """The person belongs to another account, and would not notice that the messages go to a new one."""

    code = "linked_elsewhere"
    title = "You are linked to another account here."
    advice = "If you mean to leave it, send /stop, and then the code again. If somebody else gave you the code, do not."


@dataclass(frozen=True, kw_only=True)
class NewCode:
    """A code just made. This is the only time that its text is known."""

    row: TelegramLinkCode
    text: str = field(repr=False)

    @property
    def url(self) -> str:
        """What opens the bot in Telegram with the code."""
        return f"https://t.me/{self.row.bot.username}?start={self.text}"


@sensitive_variables()
def make_code(*, actor: User, bot: TelegramBot, agent: Agent) -> NewCode:
    """A code that links whoever sends it to the bot within ten minutes to `actor`; an earlier one ends.

    Raises NotYours unless the bot is the actor's or shared and the agent the actor's.
    """
    if not may_link(actor, bot):
        raise not_yours(actor, bot, owner=bot.door.owner)
    if agent.owner_id != actor.pk:
        raise not_yours(actor, agent)
    text = secrets.token_urlsafe(CODE_BYTES)
    with transaction.atomic():
        TelegramLinkCode.objects.filter(bot=bot, owner=actor).delete()
        now = timezone.now()
        row = TelegramLinkCode.objects.create(
            bot=bot, owner=actor, agent=agent, digest=digest_of(text), created_at=now, expires_at=now + CODE_LIFE
        )
    return NewCode(row=row, text=text)


def may_link(user: User, bot: TelegramBot) -> bool:
    """Whether a user may link an account to a bot."""
    return bot.is_shared or bot.door.owner_id == user.pk


@sensitive_variables()
def digest_of(text: str) -> str:
    """What a code is known by."""
    return salted_hmac("webhooks.TelegramLinkCode", text, algorithm="sha256").hexdigest()


@sensitive_variables()
@transaction.atomic
def link_by_code(*, bot: TelegramBot, place: Place, text: str) -> TelegramLink | None:
    """Link whoever sent this code to the account that made it; None when it is not good here or any more.

    Sent again it changes the agent. Raises LinkedElsewhere and QuotaReached.
    """
    if not text or len(text) > LONGEST_CODE:
        return None
    # Whoever guesses cannot choose a digest, so how long the index takes to compare it tells nothing.
    rows = TelegramLinkCode.objects.select_for_update(no_key=True, of=("self",)).select_related("bot", "owner", "agent")
    good = rows.filter(bot=bot, used_at__isnull=True, expires_at__gt=Now(), owner__is_active=True)
    code = good.filter(digest=digest_of(text)).first()
    if code is None or code.agent.deleted_at is not None or not may_link(code.owner, bot):
        return None
    code.used_at = timezone.now()
    code.save(update_fields=["used_at"])
    link = _known(code, place) or _made(code, place)
    _record("telegram.linked", link, code.owner)
    return link


def _known(code: TelegramLinkCode, place: Place) -> TelegramLink | None:
    """The link that this person has already, now with the code's agent; that of an inactive account ends."""
    people = TelegramLink.objects.filter(bot=code.bot, chat_id=place.chat_id, sender_id=place.sender_id)
    link = people.select_related("owner").select_for_update(no_key=True, of=("self",)).first()
    if link is not None and link.owner_id != code.owner_id and link.owner.is_active:
        raise LinkedElsewhere
    if link is None or link.owner_id != code.owner_id:
        _end(link, actor=code.owner)
        return None
    link.agent, link.queue, link.chat_title = code.agent, None, place.chat_title
    link.save(update_fields=["agent", "queue", "chat_title"])
    return link


def _made(code: TelegramLinkCode, place: Place) -> TelegramLink:
    limit, owner = settings.PERSONALQ_TELEGRAM_LINKS_PER_USER, code.owner
    quotas.take_place(owner, owner.telegram_links.all(), limit, quotas.QuotaReached.of(limit, "links to Telegram"))
    link: TelegramLink = TelegramLink.objects.create(
        bot=code.bot,
        owner=owner,
        agent=code.agent,
        chat_id=place.chat_id,
        sender_id=place.sender_id,
        chat_title=place.chat_title,
    )
    return link


def find(bot: TelegramBot, place: Place) -> TelegramLink | None:
    """The link of somebody in a chat, to an account that is active."""
    rows = TelegramLink.objects.select_related("owner", "agent", "queue")
    people = rows.filter(bot=bot, chat_id=place.chat_id, sender_id=place.sender_id)
    link = people.filter(owner__is_active=True).first()
    if link is not None:
        link.bot = bot
    return link


@transaction.atomic
def change(
    *,
    actor: User,
    link: TelegramLink,
    agent: Agent | None = None,
    queue: Queue | str | None = "",
    wants_speech: bool | None = None,
) -> TelegramLink:
    """Choose another agent or queue, or whether answers are spoken; what is left out stays.

    Raises NotYours when agent or queue are not the linked account's, and NotFound when the link has ended.
    """
    current = TelegramLink.objects.select_for_update(no_key=True).filter(pk=link.pk).first()
    if current is None:
        raise NotFound
    if agent is not None:
        _check_agent(actor, agent, current.owner_id)
        current.agent = agent
    if not isinstance(queue, str):
        if queue is not None and not tasks_access.queues_of(current.owner).filter(pk=queue.pk).exists():
            raise not_yours(actor, queue)
        current.queue = queue
    if wants_speech is not None:
        current.wants_speech = wants_speech
    current.save(update_fields=["agent", "queue", "wants_speech"])
    _record("telegram.link_changed", current, actor)
    return current


@transaction.atomic
def unlink(*, actor: User, link: TelegramLink) -> None:
    """End a link; its tasks go on, and nothing more is told of them there. Raises NotFound when it has ended."""
    current = TelegramLink.objects.select_for_update().filter(pk=link.pk).first()
    if current is None:
        raise NotFound
    _end(current, actor=actor)


def forget_codes() -> int:
    """Delete codes that are no longer good. Returns how many."""
    return TelegramLinkCode.objects.filter(expires_at__lt=Now()).delete()[0]


def _check_agent(actor: User, agent: Agent, owner_id: int) -> None:
    if agent.owner_id != owner_id:
        raise not_yours(actor, agent)
    if not locks.keep_agents({agent.pk}):
        raise Conflict("The agent was deleted at this moment. Choose another agent.")


def _end(link: TelegramLink | None, *, actor: User) -> None:
    if link is not None:
        _record("telegram.unlinked", link, actor)
        link.delete()


def _record(kind: str, link: TelegramLink, actor: User) -> None:
    audit.record(
        kind,
        Outcome.DONE,
        actor=actor,
        owner=link.owner,
        about=(NOUN, link.uuid),
        bot=str(link.bot.uuid),
        chat=link.chat_id,
        sender=link.sender_id,
    )
    _logger.info("%s %s by %s", kind, link.uuid, actor.uuid)
