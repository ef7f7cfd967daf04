"""Setting up a second factor, new recovery codes, turning it off, and taking it away from somebody who has lost it."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts import audit, passwords, second_factor, sessions
from accounts.models import SecondFactor, User
from accounts.models.audit_event import Outcome
from accounts.second_factor import recovery_codes, step, totp
from accounts.second_factor.step import WrongCode
from personalq.lib import sealing
from personalq.lib.errors import Conflict, InvalidInput

REASON = "second factor"
SHOWN_FOR: Final = timedelta(minutes=10)
"""How long after the password a secret that is not confirmed yet may be shown again."""
WRONG_FIRST_CODE: Final = "Wait for the app's next code, and check the clock of the device."


class FactorIsOn(Conflict):
    """There is a second factor already."""

    code = "second_factor_is_on"
    title = "This account has a second factor already."
    advice = "Turn it off first, which needs the password and a code."


class FactorIsOff(Conflict):
    """There is no second factor, or none that was begun."""

    code = "second_factor_is_off"
    title = "This account has no second factor, or its set-up was not begun."
    advice = "Begin to set one up, and confirm it with a first code."


@dataclass(frozen=True)
class Enrolment:
    """What an app has to be given. It is shown until it is confirmed, and by `begun` alone."""

    uuid: UUID
    secret: str = field(repr=False)
    address: str = field(repr=False)
    picture: str = field(repr=False)

    @property
    def spaced(self) -> str:
        """The secret in groups of four, as people type it."""
        return " ".join(self.secret[start : start + 4] for start in range(0, len(self.secret), 4))


@sensitive_variables()
def begin(request: HttpRequest, *, actor: User, password: str) -> Enrolment:
    """Begin to set one up, in the place of a beginning that was not confirmed. It does not count yet.

    Raises:
        FactorIsOn: There is one already.
        RateLimited, Unavailable, InvalidInput: As `passwords.prove`, naming `password`.
    """
    passwords.prove(request, password, user=actor, field="password", deed="second_factor.on")
    secret = totp.new_secret()
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=actor.pk)
        if second_factor.is_on(actor):
            raise FactorIsOn
        SecondFactor.objects.filter(user=actor).delete()
        factor = SecondFactor(user=actor)
        factor.secret = sealing.seal(secret, context=sealing.context_of(factor, second_factor.FIELD))
        factor.save()
    return _enrolment_of(factor, secret)


@sensitive_variables()
def begun(*, actor: User, uuid: UUID) -> Enrolment | None:
    """What `begin` gave, once more; None when it is confirmed, replaced by another beginning, or ten minutes old.

    The caller shows it to nobody but the session in which it was begun. After ten minutes the password is asked for
    again: else whoever finds an open page could finish with an app of their own what its owner left.
    """
    since = timezone.now() - SHOWN_FOR
    rows = SecondFactor.objects.filter(user=actor, uuid=uuid, confirmed_at__isnull=True, created_at__gte=since)
    factor = rows.first()
    return _enrolment_of(factor, second_factor.secret_of(factor)) if factor else None


@sensitive_variables()
def confirm(request: HttpRequest, *, actor: User, code: str) -> list[str]:
    """Turn it on with a first code of the app, and end all other sign-ins. Returns the recovery codes, this one time.

    Raises:
        FactorIsOff: None was begun.
        FactorIsOn: It is on already.
        RateLimited, Unavailable: Too many attempts, or they cannot be counted.
        WrongCode: The app shows another one. Recovery codes do not exist yet.
    """
    step.limit_codes(request, actor)
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update(no_key=True).filter(user=actor).first()
        if factor is None:
            raise FactorIsOff
        if factor.confirmed_at is not None:
            raise FactorIsOn
        texts = _turn_on(actor, factor, code)
    if texts is None:
        # After the transaction, which the error would take back.
        audit.record("second_factor.on", Outcome.DENIED, actor=actor, about=("user", actor.uuid), reason="wrong_code")
        raise WrongCode(WRONG_FIRST_CODE)
    sessions.keep_only_this(request, actor, REASON)
    return texts


@sensitive_variables()
def _turn_on(actor: User, factor: SecondFactor, code: str) -> list[str] | None:
    """With its row locked. Returns the recovery codes; None: the app shows another code."""
    matching = totp.matching_step(second_factor.secret_of(factor), step.plain(code), after=factor.last_step)
    if matching is None:
        return None
    SecondFactor.objects.filter(pk=factor.pk).update(confirmed_at=Now(), last_step=matching)
    texts = recovery_codes.replace(factor)
    audit.record("second_factor.on", Outcome.DONE, actor=actor, about=("user", actor.uuid))
    return texts


@sensitive_variables()
def turn_off(request: HttpRequest, *, actor: User, password: str, code: str) -> None:
    """Go on with the password alone; it needs both proofs. Raises FactorIsOff and what `begin` and `check` raise."""
    _prove_both(request, actor, password, code, deed="second_factor.off")
    SecondFactor.objects.filter(user=actor).delete()
    audit.record("second_factor.off", Outcome.DONE, actor=actor, about=("user", actor.uuid))


@sensitive_variables()
def renew_recovery_codes(request: HttpRequest, *, actor: User, password: str, code: str) -> list[str]:
    """Ten new recovery codes, which end the old ones; it needs both proofs. Raises what `turn_off` raises."""
    _prove_both(request, actor, password, code, deed="recovery_code.renewed")
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update(no_key=True).filter(user=actor).first()
        if factor is None or factor.confirmed_at is None:
            raise FactorIsOff
        texts = recovery_codes.replace(factor)
        audit.record("recovery_code.renewed", Outcome.DONE, actor=actor, about=("user", actor.uuid))
    return texts


def remove(*, actor: User | None, user: User) -> bool:
    """Take somebody's factor away, who has lost it, and end their sign-ins; returns whether there was one.

    Args:
        actor: The operator; None is whoever has the shell.
        user: Whose factor.
    """
    with transaction.atomic():
        _, removed = SecondFactor.objects.filter(user=user).delete()
        if not removed:
            return False
        sessions.end_all(user, REASON)
        audit.record("second_factor.removed", Outcome.DONE, actor=actor, owner=user, about=("user", user.uuid))
    return True


@sensitive_variables()
def _enrolment_of(factor: SecondFactor, secret: str) -> Enrolment:
    address = totp.address_of(secret, username=factor.user.get_username())
    return Enrolment(uuid=factor.uuid, secret=secret, address=address, picture=totp.picture_of(address))


@sensitive_variables()
def _prove_both(request: HttpRequest, actor: User, password: str, code: str, *, deed: str) -> None:
    if not second_factor.is_on(actor):
        raise FactorIsOff
    passwords.prove(request, password, user=actor, field="password", deed=deed)
    try:
        step.check(request, actor, code)
    except WrongCode as wrong:
        raise InvalidInput.for_field("code", "wrong_code", f"{wrong.title} {wrong.advice}") from None
