"""Sending the letters with links for a new password: written down when they are asked for, tried again while it helps.

Whoever asks only writes a row. A job sends what is due, and a sweep what its hint to a worker did not reach. A mail
server that refuses for the moment, or cannot be reached, is asked again after 1, 2, 4, 8 and 16 minutes, as long as the
link would have been good; one that refuses for good is not.

No row, message or log holds a code: each attempt makes one, which ends the one before (decision 14).
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from accounts import audit, mails, one_time_codes
from accounts.mails import Delivery
from accounts.models import OneTimeCode, ResetLetter, User
from accounts.models.audit_event import Outcome
from accounts.models.reset_letter import MOST_ATTEMPTS
from accounts.one_time_codes import Purpose

LIFETIME: Final = timedelta(hours=1)
"""Of a link, and of the wish to get one."""
FIRST_PAUSE: Final = timedelta(minutes=1)
"""Longer than an attempt takes; each further pause is twice as long."""
MOST_LETTERS: Final = 5
"""In an hour, to one user, from wherever they were asked for."""
LETTERS_IN_A_TURN: Final = 20
ROUTE: Final = "reset-new"

_logger = logging.getLogger("personalq.accounts")


def put_down(users: Sequence[User]) -> None:
    """Note that these users are owed a letter, or that nobody is: the same work. A wish that waits begins anew."""
    now = timezone.now()
    wishes: list[tuple[User | None, str]] = [(user, user.get_session_auth_hash()) for user in users] or [(None, "")]
    ResetLetter.objects.bulk_create(
        [ResetLetter(user=user, stamp=stamp, asked_at=now, due_at=now) for user, stamp in wishes],
        update_conflicts=True,
        unique_fields=["user"],
        update_fields=["stamp", "asked_at", "due_at", "attempts"],
    )


def send_due() -> int:
    """Send what is due, some letters in one turn; returns how many went out. Not within a transaction."""
    _forget_old()
    if not mails.are_on():
        return 0
    sent = 0
    for _ in range(LETTERS_IN_A_TURN):
        letter = _take_next()
        if letter is None:
            break
        sent += _send(letter)
    return sent


def _forget_old() -> None:
    ResetLetter.objects.filter(user=None).delete()
    for letter in ResetLetter.objects.older_than(LIFETIME).select_related("user"):
        if _remove(letter) and letter.user is not None:
            _give_up(letter.user, "too_late")


@transaction.atomic
def _take_next() -> ResetLetter | None:
    free = ResetLetter.objects.due().select_for_update(skip_locked=True, of=("self",))
    letter = free.order_by("due_at").first()
    if letter is not None:
        # The next attempt is settled before this one begins: whoever dies in the middle has lost nothing.
        wait = FIRST_PAUSE * 2**letter.attempts
        ResetLetter.objects.filter(pk=letter.pk).update(attempts=F("attempts") + 1, due_at=Now() + wait)
    return letter


def _send(letter: ResetLetter) -> int:
    user = _recipient_of(letter)
    outcome = Delivery.TAKEN if user is None else _send_link(user)
    if outcome is Delivery.PUT_OFF and letter.attempts + 1 < MOST_ATTEMPTS:
        return 0
    if _remove(letter) and user is not None and outcome is not Delivery.TAKEN:
        _give_up(user, outcome.value)
    return int(user is not None and outcome is Delivery.TAKEN)


def _remove(letter: ResetLetter) -> bool:
    # One that was asked for once more meanwhile is still owed.
    removed, _ = ResetLetter.objects.filter(pk=letter.pk, asked_at=letter.asked_at).delete()
    return bool(removed)


def _recipient_of(letter: ResetLetter) -> User | None:
    """Whom it still concerns: a new password, a sign-out everywhere or a deactivation has ended the wish."""
    user = User.objects.filter(pk__in=[letter.user_id], is_active=True).exclude(email="").first()
    if user is None or not constant_time_compare(letter.stamp, user.get_session_auth_hash()):
        return None
    return user if _letters_lately(user) < MOST_LETTERS else None


@sensitive_variables()
def _send_link(user: User) -> Delivery:
    new = one_time_codes.make(Purpose.RESET, user=user, lasting=LIFETIME)
    link = new.link(reverse(ROUTE))
    outcome = mails.deliver("reset", user.email, link=link, code=new.text, name=user.get_username())
    if outcome is not Delivery.TAKEN:
        # It has reached nobody, so it counts for nothing.
        one_time_codes.take_back(new)
    return outcome


def _letters_lately(user: User) -> int:
    mine = OneTimeCode.objects.filter(purpose=Purpose.RESET, user=user, made_by=None)
    return mine.filter(created_at__gt=Now() - LIFETIME).count()


def _give_up(user: User, reason: str) -> None:
    audit.record("password.reset_unsent", Outcome.FAILED, owner=user, about=("user", user.uuid), reason=reason)
    _logger.warning("a letter with a reset link is given up (%s)", reason)
