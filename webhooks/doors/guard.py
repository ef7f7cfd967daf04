"""Letting requests in by doors, and refusing all others in one way.

Whatever cannot prove where it is from gets the same answer: no such door, a closed one, one whose owner is no longer
active, and a secret that is missing, blank, wrong, sent twice or good for another door. The audit trail says whether
a secret was there, and never which.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal, NoReturn
from uuid import UUID

from django.core.handlers.asgi import ASGIRequest
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from accounts import audit
from accounts.audit.seldom import record_seldom
from accounts.models import User
from accounts.models.audit_event import Outcome
from personalq.lib.asgi import DROPPED_HEADERS
from personalq.lib.errors import AppError, InvalidInput, MethodNotAllowed, NotAuthenticated
from personalq.lib.rate_limits import limit, limit_address
from personalq.lib.translation import app_error_from
from webhooks.doors import secrets
from webhooks.models import Door

Presence = Literal["present", "missing", "contradictory"]
About = tuple[str, UUID]
Proves = Callable[[str], bool]

NOTED_EVERY: Final = timedelta(minutes=1)
# What is compared with where no door is, so that it takes as long.
_DECOY: Final = "whsec_bm8gc2VjcmV0IG9mIGFueWJvZHkncyBkb29yIGV2ZXI="

_logger = logging.getLogger(__name__)


class DoorRefused(NotAuthenticated):
    """The request does not prove that it may come in here."""

    code = "door_refused"
    title = "The request does not prove where it comes from."
    advice = "Send it to the address of the door, with the door's present secret or signed by it, as its page says."

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": 'Secret realm="door"'})


class QueryRefused(InvalidInput):
    """The address has a query, in which older senders had their secrets."""

    code = "query_refused"
    title = "This address takes no query."
    advice = "Send the secret in its header, and replace one that was sent in an address."


@dataclass(frozen=True)
class Presented:
    """What a request shows as its proof."""

    value: str = field(repr=False)
    """Empty unless `presence` is "present"."""
    presence: Presence


def check_form(request: HttpRequest) -> None:
    """Raises MethodNotAllowed for all but POST, and QueryRefused for an address with a query."""
    if request.method != "POST":
        raise MethodNotAllowed(headers={"Allow": "POST"})
    if request.META.get("QUERY_STRING"):
        count_failure(request)
        raise QueryRefused


def header(request: HttpRequest, name: str) -> str | None:
    """The value of a header that was sent once; None when it is missing, came twice, or with underscores as well."""
    values = _values_of(request, name)
    return values[0] if len(values) == 1 and not _has_twin(request, name) else None


@sensitive_variables()
def presented(request: HttpRequest, *names: str) -> Presented:
    """What stands in these headers: each at most once, and the same in all that are there."""
    if any(_has_twin(request, name) for name in names):
        return Presented("", "contradictory")
    return agreed([_values_of(request, name) for name in names])


@sensitive_variables()
def agreed(values_of_each: Iterable[list[str]]) -> Presented:
    """What the values of several headers come to."""
    given = [values for values in values_of_each if values]
    if not given:
        return Presented("", "missing")
    first = given[0][0]
    same = [constant_time_compare(first.encode(), each[0].encode()) for each in given]
    is_one = all(same)
    if not is_one or any(len(values) > 1 for values in given):
        return Presented("", "contradictory")
    return Presented(first, "present") if first.strip() else Presented("", "missing")


def find(*, uuid: UUID, kinds: Collection[str]) -> Door | None:
    """The open door of this id and one of these kinds, of an owner who is active."""
    rows = Door.objects.select_related("owner", "agent", "queue")
    return rows.filter(uuid=uuid, kind__in=kinds, is_open=True, owner__is_active=True).first()


@sensitive_variables()
def admit(
    request: HttpRequest, door: Door | None, *, kind: str, about: About | None, shown: Presented, proves: Proves
) -> Door:
    """The door, for a request that proves that it may come in by it.

    Args:
        request: The request; its failures count for its address, its successes for the door.
        door: What `find` has found. Without one the check is made all the same, and fails.
        kind: For the audit trail.
        about: The id that was asked for, for the audit trail.
        shown: What the request shows; from `presented`.
        proves: Whether what is shown is right under one secret. It is asked for each that counts.

    Raises DoorRefused, and RateLimited when the door or the address brings too much.
    """
    expected = (secrets.valid_secrets(door) if door else []) or [_DECOY]
    is_proven = any([proves(each) for each in expected])  # noqa: C419 - all are asked
    if door is None or shown.presence != "present" or not is_proven or expected == [_DECOY]:
        refuse(request, door, kind=kind, about=about, secret=shown.presence)
    limit(request, group="door", key=str(door.pk), rate="PERSONALQ_RATE_DOOR")
    _note(door, "last_used_at")
    return door


def refuse(
    request: HttpRequest,
    door: Door | None,
    *,
    kind: str,
    about: About | None,
    secret: Presence,
    owner: User | None = None,
    refusal: AppError | None = None,
    **facts: Any,
) -> NoReturn:
    """Count the failure, write it to the audit trail and raise `refusal`, by default DoorRefused."""
    count_failure(request)
    asked = about[1] if about else ""
    _logger.warning("A request to %s %s was refused; secret: %s.", kind, asked, secret)
    owner = door.owner if door else owner
    facts |= {"door_kind": kind, "secret": secret}
    audit.record("door.refused", Outcome.DENIED, owner=owner, about=about, **facts)
    if door is not None:
        _note(door, "last_refused_at")
    raise refusal or DoorRefused


@contextmanager
def noting_malformed(owner: User | None, about: About, *, kind: str) -> Iterator[None]:
    """Tell the audit trail when somebody who has proved themselves sends what cannot be read."""
    try:
        yield
    except Exception as error:
        known = app_error_from(error)
        if known is None or known.status >= AppError.status:
            raise
        record_seldom(
            "door.malformed",
            Outcome.FAILED,
            within=NOTED_EVERY,
            owner=owner,
            about=about,
            same={"code": known.code},
            door_kind=kind,
        )
        raise


def count_failure(request: HttpRequest) -> None:
    """Raises RateLimited when the address brings too many requests that are refused; good ones do not count."""
    limit_address(request, group="door-failure", rate="PERSONALQ_RATE_DOOR_FAILURE")


def _note(door: Door, column: str) -> None:
    is_due = Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__lt": Now() - NOTED_EVERY})
    Door.objects.filter(is_due, pk=door.pk).update(**{column: Now()})


def _values_of(request: HttpRequest, name: str) -> list[str]:
    if not isinstance(request, ASGIRequest):
        return [request.headers[name]] if name in request.headers else []
    # Django joins headers that come twice with a comma.
    wanted = name.lower().encode("ascii")
    return [value.decode("latin-1").strip(" \t") for each, value in request.scope["headers"] if each == wanted]


def _has_twin(request: HttpRequest, name: str) -> bool:
    if not isinstance(request, ASGIRequest):
        return False
    return name.lower().encode("ascii") in request.scope.get(DROPPED_HEADERS, frozenset())
