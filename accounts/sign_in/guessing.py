"""Guesses at one account from many addresses (docs/decisions/0015).

Failures are counted for the account over all addresses. Those at a password count of each network only up to a tenth of
what is allowed, so that nobody uses it up from one place; those at a code all count, since whoever gets so far has the
password. Once it is used up, whoever signed in from an address in the last 90 days goes on from there as before; from
anywhere else one has to wait. What is signed in already is not concerned.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import TokenFamily, User
from personalq.lib.client_address import UNKNOWN, address_group, client_address, wider_address_group
from personalq.lib.errors import RateLimited
from personalq.lib.rate_limits import limit, normalised_username
from personalq.lib.rates import Rate, parse_rate

KNOWN_FOR: Final = timedelta(days=90)
"""How long an address stays known after a sign-in from there."""
SHARE: Final = 10
"""One network brings at most this part of what is allowed: it takes at least so many to use it up."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is guessed at: the password of a name, or the codes of a user."""

    group: str
    rate_setting: str
    key: str
    owner: Q
    """Finds the user, if there is one."""
    is_shared: bool = True
    """Whether one network can bring no more than its share."""

    @property
    def rate(self) -> Rate:
        return parse_rate(getattr(settings, self.rate_setting))


def password_of(username: str) -> Target:
    """The password of whoever has this name; it may be nobody."""
    return Target(
        group="sign-in-account",
        rate_setting="PERSONALQ_RATE_SIGN_IN_ACCOUNT",
        key=normalised_username(username),
        owner=Q(user__username=User.normalize_username(username)),
    )


def codes_of(user: User) -> Target:
    """The second factor of a user whose password was right."""
    return Target(
        group="second-factor-account",
        rate_setting="PERSONALQ_RATE_SECOND_FACTOR_ACCOUNT",
        key=str(user.pk),
        owner=Q(user=user),
        is_shared=False,
    )


def refuse_when_many(request: HttpRequest, target: Target) -> None:
    """Let somebody try, unless too many have failed and nobody has signed in from their address lately.

    Raises:
        RateLimited: They have to wait.
        Unavailable: Nothing can be counted at the moment.
    """
    try:
        limit(request, group=target.group, key=target.key, rate=target.rate, fail_open=False, is_counted=False)
    except RateLimited:
        if not is_known(target.owner, client_address(request)):
            raise


def note_failure(request: HttpRequest, target: Target) -> None:
    """Count a failure; where networks have shares, as long as this one has not brought its own."""
    with suppress(RateLimited):
        if target.is_shared:
            _use_share(request, target)
        limit(request, group=target.group, key=target.key, rate=target.rate)


def _use_share(request: HttpRequest, target: Target) -> None:
    share = Rate(count=max(1, target.rate.count // SHARE), seconds=target.rate.seconds)
    network = wider_address_group(client_address(request))
    limit(request, group=f"{target.group}-share", key=f"{target.key}\n{network}", rate=share)


def is_known(owner: Q, address: str) -> bool:
    """Whether a user has signed in, with all that it takes, from an address or its /64 in the last 90 days."""
    group = address_group(address)
    lately = TokenFamily.objects.filter(owner, created_at__gte=timezone.now() - KNOWN_FOR)
    seen = lately.order_by().values_list("address", flat=True).distinct()
    return group != UNKNOWN and any(address_group(each) == group for each in seen)
