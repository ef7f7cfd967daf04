"""Choosing a new password without the old one: by a link in a letter, or by one that an operator hands over.

Whoever asks learns nothing: the answer is the same, and after the same work, whether or not somebody has this name or
address. Everything that differs happens in a job (`reset_letters`). Which request asked is kept with the audit trail.
"""

import logging
import unicodedata
from typing import Any, Final
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables
from kombu.exceptions import OperationalError

from accounts import audit, mails, one_time_codes, passwords
from accounts.models import OneTimeCode, User
from accounts.models.audit_event import Outcome
from accounts.one_time_codes import NewCode, Purpose
from accounts.passwords import reset_letters
from personalq.lib.client_address import client_address, wider_address_group
from personalq.lib.rate_limits import limit, limit_address, normalised_username
from personalq.lib.rates import Rate, parse_rate

LIFETIME: Final = reset_letters.LIFETIME
MOST_PER_ADDRESS: Final = 5
JOB: Final = "accounts.jobs.send_reset_letters"
JOB_LIFETIME_SECONDS: Final = 600
NAME_RATE: Final = "PERSONALQ_RATE_RESET_NAME"

_logger = logging.getLogger("personalq.accounts")


def ask(request: HttpRequest, wanted: str) -> None:
    """Ask for a link for a user name or an e-mail address; a job sends it to whom it concerns.

    Raises:
        MailsOff: Nobody can get one here.
        RateLimited, Unavailable: Too many from this address, or for this name; nothing was looked up.
    """
    if not mails.are_on():
        raise mails.MailsOff
    limit_address(request, group="reset-address", rate="PERSONALQ_RATE_RESET_ADDRESS", fail_open=False)
    typed = normalised_username(wanted)
    _limit_name(request, typed)
    found = _users_of(unicodedata.normalize("NFKC", wanted).strip())
    first = found[0] if found else None
    # The same rows whoever was found, so that it takes the same time.
    about = ("user", first.uuid) if first else None
    with transaction.atomic():
        audit.record("password.reset_asked", Outcome.DONE if first else Outcome.FAILED, owner=first, about=about)
        reset_letters.put_down(found)
    _ask_worker()


def _limit_name(request: HttpRequest, typed: str) -> None:
    """So many for a name, of one network three fifths at most: from one place nobody keeps somebody from asking."""
    whole = parse_rate(getattr(settings, NAME_RATE))
    share = Rate(count=max(1, whole.count * 3 // 5), seconds=whole.seconds)
    network = wider_address_group(client_address(request))
    limit(request, group="reset-name-share", key=f"{typed}\n{network}", rate=share, fail_open=False)
    limit(request, group="reset-name", key=typed, rate=whole, fail_open=False)


@sensitive_variables()
def make_link(*, actor: User, user: User) -> str:
    """A link that an operator hands over by other ways. The caller asks whether the operator may."""
    with transaction.atomic():
        new: NewCode = one_time_codes.make(Purpose.RESET, user=user, made_by=actor, lasting=LIFETIME)
        about = ("user", user.uuid)
        audit.record("password.reset_asked", Outcome.DONE, actor=actor, owner=user, about=about, by="operator")
    return new.link(reverse(reset_letters.ROUTE))


@sensitive_variables()
def use(request: HttpRequest, *, code: str, new: str, keeps_tokens: bool = False) -> User:
    """Set a new password by a code. Nobody is signed in by it, and a second factor is still asked for.

    Raises:
        RateLimited, Unavailable: Too many codes from this address.
        CodeRefused: It is wrong, over, or was used, in a race by somebody else.
        InvalidInput: Naming `password`. The code stays good.
    """
    one_time_codes.limit_uses(request)
    try:
        found = one_time_codes.find(Purpose.RESET, code)
        passwords.check(new, user=_user_of(found))
        with transaction.atomic():
            user = _user_of(one_time_codes.use_up(Purpose.RESET, code))
            changed = passwords.put(user, new, keeps_tokens=keeps_tokens)
            _record_use(Outcome.DONE, user=changed, ends_tokens=not keeps_tokens)
    except one_time_codes.CodeRefused:
        _record_use(Outcome.DENIED)
        raise
    return changed


def _users_of(wanted: str) -> list[User]:
    """Whoever has this name, or this address: several may have the same one."""
    named = Q(username=User.normalize_username(wanted))
    written = Q(email__iexact=wanted) if "@" in wanted else Q(pk__isnull=True)
    rows = User.objects.filter(named | written, is_active=True).exclude(email="")
    return [user for user in rows.order_by("id")[:MOST_PER_ADDRESS] if user.has_usable_password()]


def _ask_worker() -> None:
    # Also for nobody: whether there was a message could be seen by the time that it takes.
    try:
        current_app.send_task(JOB, expires=JOB_LIFETIME_SECONDS, retry=False)
    except (OperationalError, OSError) as error:
        _logger.warning("no worker can be asked for reset links: a sweep sends them (%s)", type(error).__name__)


def _user_of(code: OneTimeCode) -> User:
    if code.user is None:
        raise one_time_codes.CodeRefused
    return code.user


def _record_use(outcome: Outcome, *, user: User | None = None, **facts: Any) -> None:
    about: tuple[str, UUID] | None = ("user", user.uuid) if user else None
    audit.record("password.reset", outcome, actor=user, about=about, **facts)
    _logger.info("a reset was %s", "used" if user else "refused")
