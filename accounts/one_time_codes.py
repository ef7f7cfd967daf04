"""Codes that are good once and not for long: making, looking up, using and ending them.

A code is 28 characters in groups of four, 138 random bits. Its text exists in the letter or the answer that brings it
to somebody; what is kept is an HMAC-SHA256 under a key made from SECRET_KEY for its purpose alone, so no code of one
kind opens what another one does, and a copy of the database opens nothing.

Locks are taken in the order user, code: a newer code and the use of an older one wait for each other.
"""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.views.decorators.debug import sensitive_variables

from accounts.models import OneTimeCode, User
from personalq.lib.errors import PermissionDenied
from personalq.lib.rate_limits import limit_address

Purpose = OneTimeCode.Purpose

ALPHABET: Final = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without what is mistaken for something else on paper."""
GROUPS: Final = 7
GROUP_CHARACTERS: Final = 4
LONGEST_TYPED: Final = 200
KEPT_AFTER_THE_END: Final = timedelta(days=90)


class CodeRefused(PermissionDenied):
    """A one-time code that opens nothing."""

    code = "code_refused"
    title = "This code is not good, or no longer."
    advice = (
        "Each works once and for a limited time, and a newer one ends it. Check that all of it is there, or ask for "
        "another."
    )


@dataclass(frozen=True, kw_only=True)
class NewCode:
    """A code just made. This is the only time that its text is known."""

    row: OneTimeCode
    text: str = field(repr=False)

    def link(self, path: str, *more: str) -> str:
        """Where it is used. The code stands in the fragment, which no browser sends to any server.

        The host is the operator's PERSONALQ_PUBLIC_URL and never one that a request names; without it, the path alone.
        """
        return f"{settings.PERSONALQ_PUBLIC_URL}{path}#{'.'.join([self.text, *more])}"


def limit_uses(request: HttpRequest) -> None:
    """Count one use of a code of whatever purpose from this address. Raises RateLimited or Unavailable."""
    limit_address(request, group="code", rate="PERSONALQ_RATE_CODE", fail_open=False)


@sensitive_variables()
def make(
    purpose: Purpose,
    *,
    lasting: timedelta,
    user: User | None = None,
    made_by: User | None = None,
    details: dict[str, Any] | None = None,
) -> NewCode:
    """Make a code. Of a user's codes of one purpose only the newest is good."""
    text = _make_text()
    with transaction.atomic():
        current = None if user is None else User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if current is not None:
            end_all(current, purpose)
        row = OneTimeCode.objects.create(
            purpose=purpose,
            user=current,
            made_by=made_by,
            digest=digest_of(purpose, text),
            stamp="" if current is None else current.get_session_auth_hash(),
            details=details or {},
            expires_at=timezone.now() + lasting,
        )
    return NewCode(row=row, text=text)


@sensitive_variables()
def find(purpose: Purpose, text: str) -> OneTimeCode:
    """The code, without using it up. Raises CodeRefused."""
    rows = OneTimeCode.objects.live().select_related("user", "made_by")
    found = rows.filter(purpose=purpose, digest=digest_of(purpose, text)).first()
    if found is None or not _is_of_today(found):
        raise CodeRefused
    return found


@sensitive_variables()
def use_up(purpose: Purpose, text: str) -> OneTimeCode:
    """The code, locked with its user and from now on worth nothing. Within the transaction of what it leads to.

    Raises:
        CodeRefused: It is wrong or over; of two who use it at once, for the second.
    """
    row = find(purpose, text)
    if row.user_id is not None:
        User.objects.select_for_update(no_key=True).get(pk=row.user_id)
    locked = OneTimeCode.objects.select_for_update(of=("self",)).filter(pk=row.pk, used_at=None).first()
    # Read again: what the locks were waited for may have ended it.
    current = find(purpose, text) if locked is not None else None
    if current is None:
        raise CodeRefused
    OneTimeCode.objects.filter(pk=current.pk).update(used_at=Now())
    return current


def take_back(new: NewCode) -> None:
    """Forget a code that has reached nobody, as if it had not been made."""
    OneTimeCode.objects.filter(pk=new.row.pk, used_at=None).delete()


def end_all(user: User, *purposes: Purpose) -> None:
    """End the codes of a user; of all purposes when none is named."""
    rows = OneTimeCode.objects.live().filter(user=user)
    (rows.filter(purpose__in=purposes) if purposes else rows).update(expires_at=Now())


def forget_ended() -> None:
    """Delete the codes that ended 90 days ago."""
    long_ago = Now() - KEPT_AFTER_THE_END
    OneTimeCode.objects.filter(Q(used_at__lt=long_ago) | Q(expires_at__lt=long_ago)).delete()


@sensitive_variables()
def digest_of(purpose: Purpose, text: str) -> str:
    """What is kept of a code. People type them: blanks, dashes, capitals and what a link says behind do not count."""
    plain = "".join(text[:LONGEST_TYPED].partition(".")[0].split()).replace("-", "").casefold()
    salt = f"accounts.OneTimeCode.{purpose.value}"
    return salted_hmac(salt, plain.encode("utf-8", "replace"), algorithm="sha256").hexdigest()


def _is_of_today(row: OneTimeCode) -> bool:
    if row.user is None:
        return row.purpose == Purpose.INVITATION
    return row.user.is_active and constant_time_compare(row.stamp, row.user.get_session_auth_hash())


@sensitive_variables()
def _make_text() -> str:
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP_CHARACTERS)) for _ in range(GROUPS))
    return "-".join(groups)
