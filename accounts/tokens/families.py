"""The rows of sign-ins: where each began, and when it was last used."""

import logging
import threading
import time
from collections import OrderedDict
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import TokenFamily, User
from accounts.session_store import row_key_of
from personalq.lib.client_address import client_address
from personalq.lib.errors import NotAuthenticated

USE_NOTED_EVERY: Final = timedelta(minutes=1)
MOST_AGENT_CHARACTERS: Final = 200
MOST_REMEMBERED: Final = 10_000

_logger = logging.getLogger(__name__)


def begun(user: User, request: HttpRequest | None) -> TokenFamily:
    """A family for a sign-in over the API, not saved yet; `request` says where it comes from."""
    ends_at = timezone.now() + settings.PERSONALQ_SIGN_IN_LIFETIME
    return TokenFamily(user=user, expires_at=ends_at, last_used_at=timezone.now(), **_origin_of(request))


def of_session(request: HttpRequest) -> TokenFamily:
    """The family of the browser's session, which begins with it.

    Raises:
        NotAuthenticated: Nobody is signed in, or the session was ended just now.
    """
    user = request.user
    if not isinstance(user, User):
        raise NotAuthenticated
    if request.session.session_key is None:
        request.session.save()
    defaults = {
        "kind": TokenFamily.Kind.PAGE,
        "expires_at": request.session.get_expiry_date(),
        "last_used_at": timezone.now(),
        **_origin_of(request),
    }
    try:
        # A savepoint when there is a transaction already, which the refusal would spoil.
        with transaction.atomic():
            family, _ = TokenFamily.objects.select_related("user").get_or_create(
                session_id=row_key_of(request.session), user=user, defaults=defaults
            )
    except IntegrityError:  # the row of the session is gone, or belongs to somebody else by now
        raise NotAuthenticated from None
    return family


def note_session(request: HttpRequest) -> None:
    """Note that the session of a signed-in browser is in use; most of the time without asking the database."""
    row_key = row_key_of(request.session)
    if row_key is None or not _lately.is_due(row_key):
        return
    try:
        note_use(of_session(request))
    except NotAuthenticated:
        pass  # ended meanwhile, which the next request meets
    except DatabaseError as error:
        _logger.warning("the use of a session was not noted: %s", type(error).__name__)


def note_use(family: TokenFamily) -> None:
    """Note the use of a sign-in, at most once a minute. What is about to be done does not depend on it."""
    if family.last_used_at is not None and family.last_used_at > timezone.now() - USE_NOTED_EVERY:
        return
    try:
        _write_use(family)
    except DatabaseError as error:
        _logger.warning("the use of sign-in %s was not noted: %s", family.uuid, type(error).__name__)


@transaction.atomic
def _write_use(family: TokenFamily) -> None:
    # Whom another request, or a revocation, holds is passed over instead of waited for.
    free = TokenFamily.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=family.pk).first()
    if free is not None:
        TokenFamily.objects.filter(pk=free.pk).update(last_used_at=Now())


def _origin_of(request: HttpRequest | None) -> dict[str, Any]:
    if request is None:
        return {}
    said = request.META.get("HTTP_USER_AGENT", "")
    agent = "".join(each for each in said if each.isprintable())[:MOST_AGENT_CHARACTERS]
    return {"address": client_address(request), "user_agent": agent}


class _Lately:
    """Which sessions this process has noted in the last minute, so that it need not ask."""

    def __init__(self) -> None:
        self._noted: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def is_due(self, key: str) -> bool:
        """Whether it is time again; whoever is told so is the only one for a minute."""
        now = time.monotonic()
        with self._lock:
            before = self._noted.get(key)
            if before is not None and now - before < USE_NOTED_EVERY.total_seconds():
                return False
            self._noted[key] = now
            self._noted.move_to_end(key)
            if len(self._noted) > MOST_REMEMBERED:
                self._noted.popitem(last=False)
            return True


_lately = _Lately()
