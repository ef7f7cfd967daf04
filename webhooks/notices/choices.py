"""What a user wants to be told by e-mail. Until they choose, that is nothing."""

from typing import Final, TypedDict, Unpack

from django.conf import settings
from django.db import models, transaction

from accounts.models import User
from personalq.lib.errors import Conflict
from webhooks.models import Notice, NoticeChoice, NoticeKind

WISHES: Final = tuple(f"wants_{kind}" for kind in NoticeKind.values)


class NoAddress(Conflict):
    """The user's account has no e-mail address."""

    code = "no_email_address"
    title = "Your account has no e-mail address."
    advice = "Ask the operator to enter it, then choose again."


class EmailOff(Conflict):
    """The operator has not said how e-mails are sent."""

    code = "email_not_set_up"
    title = "This installation sends no e-mails."
    advice = "Ask the operator to set PERSONALQ_EMAIL_URL."


class Changes(TypedDict, total=False):
    """What can be chosen."""

    wants_finished: bool
    wants_failed: bool
    wants_approval: bool
    wants_budget: bool
    wants_endpoint: bool
    batch_minutes: int


def read(user: User) -> NoticeChoice:
    """The user's choice; an unsaved one that wants nothing while there is none."""
    return NoticeChoice.objects.filter(owner=user).first() or NoticeChoice(owner=user)


@transaction.atomic
def change(*, actor: User, **changes: Unpack[Changes]) -> NoticeChoice:
    """Choose anew. Links in earlier e-mails do nothing from now on.

    Raises ValidationError naming the field, and EmailOff or NoAddress when something is wanted that cannot be sent.
    """
    choice = _locked(actor)
    for name, value in changes.items():
        setattr(choice, name, value)
    choice.clean_fields(exclude={"owner"})
    if wants_anything(choice):
        _refuse_unsendable(actor)
    _save_anew(choice)
    return choice


def turn_off(choice: NoticeChoice) -> None:
    """Want nothing any more. What waited to be told is dropped. Doing it again is harmless."""
    with transaction.atomic():
        current = NoticeChoice.objects.select_for_update().get(pk=choice.pk)
        for wish in WISHES:
            setattr(current, wish, False)
        _save_anew(current)


def wants_anything(choice: NoticeChoice) -> bool:
    return any(getattr(choice, wish) for wish in WISHES)


def _locked(actor: User) -> NoticeChoice:
    NoticeChoice.objects.get_or_create(owner=actor)
    return NoticeChoice.objects.select_for_update().get(owner=actor)


def _refuse_unsendable(actor: User) -> None:
    if not settings.PERSONALQ_EMAIL_IS_ON:
        raise EmailOff
    if not actor.email:
        raise NoAddress


def _save_anew(choice: NoticeChoice) -> None:
    choice.epoch = models.F("epoch") + 1
    unwanted = [kind for kind in NoticeKind.values if not getattr(choice, f"wants_{kind}")]
    Notice.objects.filter(owner_id=choice.owner_id, sent_at__isnull=True, kind__in=unwanted).delete()
    if not Notice.objects.filter(owner_id=choice.owner_id, sent_at__isnull=True).exists():
        choice.due_at = None
    choice.save()
    choice.refresh_from_db()
