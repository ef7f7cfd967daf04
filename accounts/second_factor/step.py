"""The second step of a sign-in: a code of an app (`totp`), or one on paper (`recovery_codes`).

Nobody comes here without the right password, so no stranger can use up somebody's attempts. Each code is good once: the
newest time step that was taken is kept, and compared under the lock of the factor's row.
"""

from typing import Final

from django.db import transaction
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from accounts import audit, second_factor
from accounts.models import SecondFactor, User
from accounts.models.audit_event import Outcome
from accounts.second_factor import recovery_codes, totp
from accounts.sign_in import guessing
from personalq.lib.errors import InvalidCredentials, NotAuthenticated
from personalq.lib.rate_limits import limit_address

MOST_CODE_CHARACTERS: Final = 64


class SecondFactorRequired(NotAuthenticated):
    """The password is right, and the account asks for a code as well."""

    code = "second_factor_required"
    title = "This account asks for a code besides the password."
    advice = "Send user name and password again, with the app's present code or a recovery code as code."


class WrongCode(InvalidCredentials):
    """A code that is wrong, too old, or was used before."""

    title = "The code is not right, or was used before."
    advice = "Wait for the app's next code, check the clock of the device, or use a recovery code."


@sensitive_variables()
def check(request: HttpRequest, user: User, code: str) -> None:
    """Take a code of somebody whose password was right, or who is signed in: of the app, or a recovery code.

    Raises:
        RateLimited: Too many codes; nothing was compared.
        Unavailable: Attempts cannot be counted at the moment.
        WrongCode: It is wrong, or was used before.
    """
    target = guessing.codes_of(user)
    limit_codes(request, user)
    guessing.refuse_when_many(request, target)
    if not _take(user, plain(code)):
        guessing.note_failure(request, target)
        audit.record("sign_in.second_factor_failed", Outcome.DENIED, actor=user, about=("user", user.uuid))
        raise WrongCode


@sensitive_variables()
def prove(request: HttpRequest, user: User, code: str) -> None:
    """The second step of a sign-in, for a program that sends both at once. For who has no factor there is none.

    Raises:
        SecondFactorRequired: No code came along.
        SecondFactorNeeded: There is no factor, and there has to be one.
        RateLimited, Unavailable, WrongCode: As `check`.
    """
    if not second_factor.is_on(user):
        second_factor.require(user)
        return
    if not code:
        raise SecondFactorRequired
    check(request, user, code)


@transaction.atomic
@sensitive_variables()
def _take(user: User, code: str) -> bool:
    factor = SecondFactor.objects.select_for_update(no_key=True).filter(user=user, confirmed_at__isnull=False).first()
    if factor is None:
        return False
    if totp.is_code(code):
        step = totp.matching_step(second_factor.secret_of(factor), code, after=factor.last_step)
        return step is not None and bool(SecondFactor.objects.filter(pk=factor.pk).update(last_step=step))
    if not recovery_codes.use(factor, code):
        return False
    left = recovery_codes.count_unused(factor)
    audit.record("recovery_code.used", Outcome.DONE, actor=user, about=("user", user.uuid), left=left)
    return True


def limit_codes(request: HttpRequest, user: User) -> None:
    rate = "PERSONALQ_RATE_SECOND_FACTOR"
    limit_address(request, group="second-factor", rate=rate, about=str(user.pk), fail_open=False)


@sensitive_variables()
def plain(code: str) -> str:
    # Apps show 123 456, paper groups of four.
    return "".join(code.split())
