"""The only way to an account that is not an operator's own doing: an invitation, good once and for seven days.

Nobody can register. An invitation is worth what its maker may: whoever is no longer allowed to invite has made
invitations that open nothing.
"""

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts import audit, mails, one_time_codes, passwords
from accounts.models import OneTimeCode, User
from accounts.models.audit_event import Outcome
from accounts.one_time_codes import NewCode, Purpose
from personalq.lib.constraints import conflicts
from personalq.lib.errors import Conflict, FieldError, InvalidInput, NotFound, PermissionDenied

LIFETIME: Final = timedelta(days=7)
ROUTE: Final = "invitation"
PERMISSION: Final = "accounts.add_user"
STATES: Final = ("open", "used", "expired", "withdrawn")
OPEN, USED, EXPIRED, WITHDRAWN = STATES
MAIL_STATES: Final = ("off", "waiting", "sent", "failed")
MAIL_OFF, MAIL_WAITING, MAIL_SENT, MAIL_FAILED = MAIL_STATES

_logger = logging.getLogger("personalq.accounts")


class UserNameTaken(Conflict):
    """Somebody has this user name, or one that only differs in capitals."""

    code = "name_taken"
    title = "This name is taken."
    advice = "Choose another user name."

    def __init__(self) -> None:
        super().__init__(errors=[FieldError("username", self.code, "Somebody has this user name. Choose another one.")])


class InvitationOver(Conflict):
    """An invitation that was used cannot be withdrawn."""

    code = "invitation_used"
    title = "The invitation was used."
    advice = "There is an account now; an operator can deactivate it."


@dataclass(frozen=True, kw_only=True)
class NewInvitation:
    """An invitation just made. This is the only time that its link is known."""

    row: OneTimeCode
    link: str = field(repr=False)


def may_invite(user: User) -> bool:
    """Whether a user may make, see and withdraw invitations: an operator who may add users."""
    return user.is_active and user.is_staff and user.has_perm(PERMISSION)


def invitations_for(actor: User) -> QuerySet[OneTimeCode]:
    """All invitations, for operators. Raises PermissionDenied for others."""
    if not may_invite(actor):
        raise PermissionDenied
    return OneTimeCode.objects.filter(purpose=Purpose.INVITATION).select_related("made_by", "user")


def invitation_for(actor: User, uuid: UUID) -> OneTimeCode:
    """The invitation of this id. Raises PermissionDenied or NotFound."""
    found = invitations_for(actor).filter(uuid=uuid).first()
    if found is None:
        raise NotFound
    return found


@sensitive_variables()
def make(*, actor: User, email: str, username: str = "", is_staff: bool = False) -> NewInvitation:
    """Invite somebody. With e-mail set up, the link also goes to the address, after the commit.

    Args:
        actor: An operator who may add users; for `is_staff` a superuser.
        email: Whose address the account will have.
        username: The name that the account will have; the invited person chooses one when it is empty.
        is_staff: Whether the account will be an operator's.

    Raises:
        PermissionDenied, InvalidInput (naming `email` or `username`), UserNameTaken.
    """
    if not may_invite(actor) or (is_staff and not actor.is_superuser):
        _record("invitation.refused", Outcome.DENIED, actor=actor, is_staff=is_staff)
        raise PermissionDenied
    details = {"email": mails.check_address(email), "username": _checked_name(username), "is_staff": is_staff}
    details["mail"] = MAIL_WAITING if mails.are_on() else MAIL_OFF
    with transaction.atomic():
        new = one_time_codes.make(Purpose.INVITATION, made_by=actor, details=details, lasting=LIFETIME)
        _record("invitation.made", Outcome.DONE, actor=actor, row=new.row, is_staff=is_staff)
        transaction.on_commit(lambda: _send(new), robust=True)
    return NewInvitation(row=_read(new.row), link=_link_of(new))


def withdraw(*, actor: User, invitation: OneTimeCode) -> None:
    """End an invitation. Doing it again changes nothing. Raises InvitationOver when it was used."""
    with transaction.atomic():
        current = OneTimeCode.objects.select_for_update(of=("self",)).get(pk=invitation.pk)
        if state_of(current) == USED:
            raise InvitationOver
        if state_of(current) == WITHDRAWN:
            return
        current.details["is_withdrawn"] = True
        OneTimeCode.objects.filter(pk=current.pk).update(details=current.details, expires_at=Now())
        _record("invitation.withdrawn", Outcome.DONE, actor=actor, row=current)


@sensitive_variables()
def accept(request: HttpRequest, *, code: str, username: str, password: str) -> User:
    """Make the account that an invitation is for. Nobody is signed in by it.

    Raises:
        RateLimited, Unavailable: Too many codes from this address.
        CodeRefused: It is wrong, over, withdrawn or used, or its maker may not invite any more.
        InvalidInput, UserNameTaken: Naming `username` or `password`. The code stays good.
    """
    one_time_codes.limit_uses(request)
    try:
        user = _checked(_find(code), username, password)
        with conflicts(taken=UserNameTaken()), transaction.atomic():
            return _create(code, user, password)
    except one_time_codes.CodeRefused:
        _record("invitation.refused", Outcome.DENIED)
        raise


def state_of(row: OneTimeCode) -> str:
    """One of `STATES`."""
    if row.used_at is not None:
        return USED
    if row.details.get("is_withdrawn"):
        return WITHDRAWN
    return OPEN if row.expires_at > timezone.now() else EXPIRED


def _find(code: str) -> OneTimeCode:
    return _still_worth(one_time_codes.find(Purpose.INVITATION, code))


def _still_worth(row: OneTimeCode) -> OneTimeCode:
    maker = row.made_by
    if maker is None or not may_invite(maker) or (row.details["is_staff"] and not maker.is_superuser):
        raise one_time_codes.CodeRefused
    return row


@sensitive_variables()
def _checked(row: OneTimeCode, username: str, password: str) -> User:
    try:
        user = _intended(row, username)
    except (InvalidInput, UserNameTaken) as refused:
        # Both at once: else who corrects the name is told of the password only then.
        refused.errors += [FieldError("password", "invalid", each) for each in passwords.faults_of(password)]
        raise
    passwords.check(password, user=user)
    return user


def _intended(row: OneTimeCode, username: str) -> User:
    wanted = row.details["username"]
    chosen = _checked_name(username, is_required=True)
    if wanted and chosen != wanted:
        message = f"This invitation is for the user name {wanted}."
        raise InvalidInput.for_field("username", "other_name", message)
    return User(username=chosen, email=row.details["email"], is_staff=row.details["is_staff"])


@sensitive_variables()
def _create(code: str, user: User, password: str) -> User:
    row = _still_worth(one_time_codes.use_up(Purpose.INVITATION, code))
    user.set_password(password)
    user.save(force_insert=True)
    OneTimeCode.objects.filter(pk=row.pk).update(user=user)
    _record("invitation.used", Outcome.DONE, actor=user, row=row, is_staff=user.is_staff)
    _logger.info("an invitation was used", extra={"fields": {"user": str(user.uuid)}})
    return user


@sensitive_variables()
def _send(new: NewCode) -> None:
    if new.row.details["mail"] != MAIL_WAITING:
        return
    name = new.row.details["username"]
    is_sent = mails.send("invitation", new.row.details["email"], link=_link_of(new), code=new.text, name=name)
    state = MAIL_SENT if is_sent else MAIL_FAILED
    with transaction.atomic():
        current = OneTimeCode.objects.select_for_update(of=("self",)).get(pk=new.row.pk)
        OneTimeCode.objects.filter(pk=current.pk).update(details={**current.details, "mail": state})


@sensitive_variables()
def _link_of(new: NewCode) -> str:
    name = new.row.details["username"]
    return new.link(reverse(ROUTE), *([quote(name, safe="")] if name else []))


def _read(row: OneTimeCode) -> OneTimeCode:
    return OneTimeCode.objects.select_related("made_by", "user").get(pk=row.pk)


def _checked_name(username: str, *, is_required: bool = False) -> str:
    name = User.normalize_username(username)
    if not name and not is_required:
        return ""
    try:
        User._meta.get_field("username").clean(name, None)
    except ValidationError as refused:
        raise InvalidInput.for_field("username", "invalid", " ".join(refused.messages)) from None
    # Ada and ada could be taken for each other.
    if User.objects.filter(username__iexact=name).exists():
        raise UserNameTaken
    return name


def _record(
    kind: str, outcome: Outcome, *, actor: User | None = None, row: OneTimeCode | None = None, **facts: Any
) -> None:
    about = ("invitation", row.uuid) if row else None
    audit.record(kind, outcome, actor=actor, owner=row.made_by if row else None, about=about, **facts)
