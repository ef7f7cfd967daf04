"""The one verb that sets a password, and what a new password ends.

Its owner, a reset, an operator and a command come here; an invitation makes an account, which has nothing to end. A new
password ends every sign-in and session but the one in which it was changed, every one-time code, and, unless that is
not wanted, the personal tokens (docs/decisions/0014). What it ends, ends at once, and open sockets within five seconds.
"""

import logging
from typing import Final

from django.contrib.auth.password_validation import get_default_password_validators, validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from accounts import audit, one_time_codes, sessions
from accounts.models import User
from accounts.models.audit_event import Outcome
from accounts.password_text import normalised
from accounts.passwords.breaches import BreachValidator
from accounts.sign_in import guessing
from accounts.tokens import personal_tokens
from personalq.lib.errors import Conflict, FieldError, InvalidInput
from personalq.lib.rate_limits import limit_sign_in

REASON: Final = "password"
WRONG: Final = "wrong_password"

_logger = logging.getLogger("personalq.accounts")


class PasswordChanged(Conflict):
    """Somebody else set another password while this request was under way."""

    code = "password_changed"
    title = "The password was changed meanwhile."
    advice = "Sign in again with the newer password, or reset it."


@sensitive_variables()
def check(password: str, *, user: User, field: str = "password") -> None:
    """Refuse a password that the rules refuse. May ask a service elsewhere, so never within a transaction.

    Raises:
        InvalidInput: Naming ``field``, with one entry for each rule.
    """
    try:
        validate_password(normalised(password), user)
    except ValidationError as refused:
        found = [FieldError(field, each.code or "invalid", " ".join(each.messages)) for each in refused.error_list]
        raise InvalidInput(errors=found) from None


@sensitive_variables()
def faults_of(password: str) -> list[str]:
    """What is wrong with a password by itself, without asking whose it is, and nobody elsewhere. `check` decides."""
    asked = [each for each in get_default_password_validators() if not isinstance(each, BreachValidator)]
    try:
        validate_password(normalised(password), password_validators=asked)
    except ValidationError as refused:
        return list(refused.messages)
    return []


@sensitive_variables()
def prove(request: HttpRequest, password: str, *, user: User, field: str, deed: str) -> None:
    """Ask somebody who is signed in for their password again, counted like an attempt to sign in.

    Args:
        request: Where it comes from, to be counted.
        password: What was typed.
        user: Who is signed in.
        field: Where it was typed, for the error.
        deed: What it is asked for, as the audit trail calls it: there stands that it was denied.

    Raises:
        RateLimited, Unavailable: As for signing in.
        InvalidInput: Naming ``field``: this is not the password.
    """
    target = guessing.password_of(user.get_username())
    limit_sign_in(request, user.get_username())
    guessing.refuse_when_many(request, target)
    if not user.check_password(password):
        guessing.note_failure(request, target)
        audit.record(deed, Outcome.DENIED, actor=user, about=("user", user.uuid), reason=WRONG)
        raise InvalidInput.for_field(field, WRONG, "This is not your present password.")


@sensitive_variables()
def change(
    request: HttpRequest, *, user: User, current: str, new: str, keeps_tokens: bool = False, keeps_session: bool = True
) -> User:
    """Change one's own password, which needs the present one; returns the user as they are now.

    Args:
        request: Where it comes from, to be counted.
        user: Who is signed in.
        current: The present password.
        new: The other one.
        keeps_tokens: Whether the personal tokens go on.
        keeps_session: Whether the request's session goes on, under a new key. Not for who came by a token.

    Raises:
        RateLimited, Unavailable, InvalidInput: As `prove` and `check`, naming `current` or `new`.
        PasswordChanged: By somebody else, since the request was let in.
    """
    prove(request, current, user=user, field="current", deed="password.changed")
    check(new, user=user, field="new")
    spared = request if keeps_session else None
    with transaction.atomic():
        changed = put(user, new, believed=user.password, keeps_tokens=keeps_tokens, spared=spared)
        _record(actor=user, user=user, how="owner", keeps_tokens=keeps_tokens)
    return changed


@sensitive_variables()
def replace(
    *, actor: User | None, user: User, new: str | None, how: str, keeps_tokens: bool = False, is_checked: bool = False
) -> User:
    """Set somebody's password for them: an operator in the admin, or whoever has the shell.

    Args:
        actor: The operator; nobody who is known, from the shell.
        user: Whose password it is.
        new: None for no password at all: only a reset leads back to one.
        how: `operator` or `command`, for the audit trail.
        keeps_tokens: Whether the personal tokens go on.
        is_checked: Whether the caller has asked the rules already.

    Raises:
        InvalidInput: Naming `password`, when the rules refuse it.
    """
    if new is not None and not is_checked:
        check(new, user=user)
    with transaction.atomic():
        changed = put(user, new, keeps_tokens=keeps_tokens)
        _record(actor=actor, user=user, how=how, keeps_tokens=keeps_tokens)
    return changed


@sensitive_variables()
def put(
    user: User,
    new: str | None,
    *,
    believed: str | None = None,
    keeps_tokens: bool = False,
    spared: HttpRequest | None = None,
) -> User:
    """Write a password that was checked, and end what it ends. Within the caller's transaction.

    Args:
        user: Whose it is.
        new: As it was typed; None for no password at all.
        believed: The hash that the caller compared with; raises PasswordChanged when there is another one by now.
        keeps_tokens: Whether the personal tokens go on.
        spared: The request by whose session its user is signed in, which goes on.
    """
    locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if believed is not None and not constant_time_compare(locked.password, believed):
        raise PasswordChanged
    locked.set_password(new)
    locked.save(update_fields=["password"])
    one_time_codes.end_all(locked)
    if not keeps_tokens:
        personal_tokens.revoke_all(locked, REASON)
    if spared is None:
        sessions.end_all(locked, REASON)
    else:
        sessions.keep_only_this(spared, locked, REASON)
    return User.objects.get(pk=locked.pk)


def _record(*, actor: User | None, user: User, how: str, keeps_tokens: bool) -> None:
    about = ("user", user.uuid)
    audit.record(
        "password.changed", Outcome.DONE, actor=actor, owner=user, about=about, how=how, ends_tokens=not keeps_tokens
    )
    if how == "command":
        # Who typed it at a terminal is told there, and the log goes to the same terminal.
        return
    _logger.info("a password was changed", extra={"fields": {"user": str(user.uuid), "how": how}})
