"""Whether somebody has a second factor, and whether they need one: what sessions, tokens and sockets ask.

The check of a code is in `step`; setting it up and taking it away in `changes`.
"""

from collections.abc import Collection
from typing import Final

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from accounts.models import SecondFactor, User
from personalq.lib import sealing
from personalq.lib.errors import PermissionDenied

FIELD: Final = "secret"


class SecondFactorNeeded(PermissionDenied):
    """An operator without a second factor, where operators need one."""

    code = "second_factor_needed"
    title = "Operators need a second factor here, and this account has none."
    advice = "Sign in on the page and set one up under Account, Second factor; then everything opens again."


def is_on(user: User) -> bool:
    """Whether somebody has to show a code to sign in."""
    return SecondFactor.objects.filter(user=user, confirmed_at__isnull=False).exists()


def is_missing(user: User) -> bool:
    """Whether somebody is kept from everything until they have set up a second factor."""
    return settings.PERSONALQ_OPERATORS_NEED_SECOND_FACTOR and user.is_staff and not is_on(user)


def require(user: User) -> None:
    """Raises SecondFactorNeeded."""
    if is_missing(user):
        raise SecondFactorNeeded


def missing_among(user_ids: Collection[int]) -> set[int]:
    """Those of these users of whom `is_missing` is true: one query where operators need a factor, else none."""
    if not settings.PERSONALQ_OPERATORS_NEED_SECOND_FACTOR or not user_ids:
        return set()
    operators = User.objects.filter(pk__in=user_ids, is_staff=True)
    return set(operators.exclude(second_factor__confirmed_at__isnull=False).values_list("pk", flat=True))


def factor_of(user: User) -> SecondFactor | None:
    """The factor that is on."""
    return SecondFactor.objects.filter(user=user, confirmed_at__isnull=False).first()


@sensitive_variables()
def secret_of(factor: SecondFactor) -> str:
    return sealing.unseal(factor.secret, context=sealing.context_of(factor, FIELD))
