"""Changing one's e-mail address: with the password, and a code that only the new address gets.

An address never says who somebody is: what belongs to an account belongs to its key, and an address that somebody else
had before brings nothing along.
"""

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from accounts import audit, mails, one_time_codes, passwords
from accounts.models import User
from accounts.models.audit_event import Outcome
from accounts.one_time_codes import Purpose
from personalq.lib.errors import InvalidInput, Unavailable
from personalq.lib.rate_limits import limit

LIFETIME: Final = timedelta(hours=1)
ROUTE: Final = "account-email-confirm"


class NotSent(Unavailable):
    """The mail server did not take the letter."""

    title = "The e-mail could not be sent."
    advice = "Check the address and try again in some minutes, or ask the operator to look at the log."


@sensitive_variables()
def ask(request: HttpRequest, *, user: User, email: str, password: str) -> None:
    """Send a code to the new address. Until it comes back nothing has changed.

    Raises:
        MailsOff: There are no e-mails here.
        RateLimited, Unavailable, InvalidInput: As `passwords.prove`, naming `password`; or naming `email`.
        NotSent: The server did not take it.
    """
    if not mails.are_on():
        raise mails.MailsOff
    passwords.prove(request, password, user=user, field="password", deed="email.changed")
    _refuse_wrong(email, user)
    limit(request, group="email-change", key=f"user\n{user.pk}", rate="PERSONALQ_RATE_EMAIL_CHANGE", fail_open=False)
    new = one_time_codes.make(Purpose.EMAIL, user=user, lasting=LIFETIME, details={"email": email})
    if not mails.send("email", email, link=new.link(reverse(ROUTE)), code=new.text, name=user.get_username()):
        one_time_codes.end_all(user, Purpose.EMAIL)
        raise NotSent


@sensitive_variables()
def confirm(request: HttpRequest, *, user: User, code: str) -> User:
    """Take the address that the code was sent to. The old one is told, and letters with links on their way to it end.

    Raises:
        RateLimited, Unavailable: Too many codes from this address.
        CodeRefused: It is over, or somebody else's.
    """
    one_time_codes.limit_uses(request)
    if one_time_codes.find(Purpose.EMAIL, code).user_id != user.pk:
        raise one_time_codes.CodeRefused
    with transaction.atomic():
        row = one_time_codes.use_up(Purpose.EMAIL, code)
        current = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        old, current.email = current.email, row.details["email"]
        current.save(update_fields=["email"])
        note(actor=user, user=current, old=old)
    return current


def note(*, actor: User, user: User, old: str) -> None:
    """What follows from another address, whoever wrote it: within the transaction in which that happened."""
    one_time_codes.end_all(user, Purpose.RESET, Purpose.EMAIL)
    how = "owner" if actor.pk == user.pk else "operator"
    audit.record("email.changed", Outcome.DONE, actor=actor, owner=user, about=("user", user.uuid), how=how)
    if old and mails.are_on():
        name, new = user.get_username(), user.email
        transaction.on_commit(lambda: mails.send("email_changed", old, name=name, new=new), robust=True)


def _refuse_wrong(email: str, user: User) -> None:
    if mails.check_address(email) == user.email:
        raise InvalidInput.for_field("email", "same", "This is your address already.")
