"""Personal tokens and sign-ins that should have ended, or could do with less."""

from datetime import timedelta
from typing import Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import PersonalToken, TokenFamily
from personalq.lib.inspection import Result, Scene, bad, fine, inspection, name_some

UNUSED: Final = timedelta(days=90)
LONG: Final = timedelta(days=180)


def _named(tokens: QuerySet[PersonalToken]) -> list[str]:
    return [f"{token.prefix}… of {token.user.username}" for token in tokens.select_related("user")]


@inspection(
    "tokens.unused",
    "low",
    looks_at="Personal tokens that are good and were not used for 90 days.",
    advice="Ask their owners, then revoke them on the page Tokens or in the admin.",
)
def unused(_: Scene) -> Result:
    since = timezone.now() - UNUSED
    never = Q(last_used_at__isnull=True, created_at__lt=since)
    found = _named(PersonalToken.objects.live().filter(never | Q(last_used_at__lt=since)))
    return bad("low", f"Not used for 90 days: {name_some(found)}.") if found else fine("All good tokens are used.")


@inspection(
    "tokens.long",
    "low",
    looks_at="Personal tokens that are good for more than 180 days from now.",
    advice="Replace them by tokens that end sooner: 90 days is what the page proposes.",
)
def long(_: Scene) -> Result:
    found = _named(PersonalToken.objects.live().filter(expires_at__gt=timezone.now() + LONG))
    return bad("low", f"Good for half a year: {name_some(found)}.") if found else fine("All tokens end soon enough.")


@inspection(
    "tokens.operator",
    "low",
    looks_at="Good tokens of operators that may turn the task operator and the stop switch.",
    advice="Make them without operator:write where a program only looks.",
)
def operator(_: Scene) -> Result:
    live = PersonalToken.objects.live().filter(scopes__contains=["operator:write"])
    found = _named(live.filter(Q(user__is_staff=True) | Q(user__is_superuser=True)))
    return bad("low", f"May act as operators: {name_some(found)}.") if found else fine("No token acts as an operator.")


@inspection(
    "tokens.inactive",
    "medium",
    looks_at="Tokens and sign-ins of people who were deactivated. They open nothing as long as that stays so.",
    advice="Revoke them in the admin, so that activating the user again does not bring them back.",
)
def inactive(_: Scene) -> Result:
    now = timezone.now()
    tokens = PersonalToken.objects.filter(user__is_active=False, revoked_at=None, expires_at__gt=now)
    families = TokenFamily.objects.filter(user__is_active=False, revoked_at=None, expires_at__gt=now)
    if count := tokens.count() + families.count():
        names = {*tokens.values_list("user__username", flat=True), *families.values_list("user__username", flat=True)}
        return bad("medium", f"{count} tokens and sign-ins of {name_some(names)}, who are deactivated.")
    return fine("Nobody who is deactivated has a token.")
