"""Making, changing, switching, testing and deleting endpoints.

Callers find an endpoint through `webhooks.access` first. The text of a secret exists in the answer to whoever made or
rotated it and while something is signed; it is kept sealed.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypedDict, Unpack

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.views.decorators.debug import sensitive_variables

from accounts import audit, quotas
from accounts.models import User
from accounts.models.audit_event import Outcome
from personalq.lib import http, sealing
from personalq.lib.constraints import NameTaken, conflicts
from personalq.lib.current_request import current_request_id
from personalq.lib.errors import Conflict, InvalidInput, NotFound
from tasks.clock import database_now
from webhooks.models import Delivery, Endpoint, EndpointSecret, OffReason
from webhooks.models.endpoint import URL_LENGTH
from webhooks.outbound import signing, switching
from webhooks.outbound.kinds import OFFERED, PING
from webhooks.outbound.leases import FIELD
from webhooks.outbound.switching import ABOUT, FRESH_START

LONGEST_OVERLAP_SECONDS: Final = 7 * 24 * 3600
DEFAULT_OVERLAP_SECONDS: Final = 24 * 3600
_DELETED_AT_ONCE: Final = 5_000


class EndpointOff(Conflict):
    """The endpoint is switched off and gets nothing."""

    code = "endpoint_off"
    title = "The endpoint is switched off."
    advice = "Switch it on first; what waits for it is sent then."


@dataclass(frozen=True, kw_only=True)
class NewEndpoint:
    """An endpoint just made. This is the only time that its secret is told."""

    endpoint: Endpoint
    secret: str = field(repr=False)


class EndpointChanges(TypedDict, total=False):
    """What can be changed."""

    name: str
    target_url: str
    kinds: Collection[str]


@sensitive_variables()
def create(*, actor: User, name: str, target_url: str, kinds: Collection[str]) -> NewEndpoint:
    """Let events of these kinds, of the actor's own tasks and schedules, be sent to an address from now on.

    Raises InvalidInput or ValidationError naming the field, NameTaken, and QuotaReached.
    """
    endpoint = Endpoint(owner=actor, name=name, url=checked_url(target_url), kinds=_checked_kinds(kinds))
    endpoint.clean_fields(exclude={"owner"})
    limit, secret = settings.PERSONALQ_ENDPOINTS_PER_USER, signing.new_secret()
    with conflicts(taken=_name_taken()), transaction.atomic():
        reached = quotas.QuotaReached.of(limit, "webhook endpoints")
        quotas.take_place(actor, actor.webhook_endpoints.all(), limit, reached)
        endpoint.save()
        _keep(endpoint, secret)
        _note("made", endpoint, actor)
    return NewEndpoint(endpoint=endpoint, secret=secret)


def change(*, actor: User, endpoint: Endpoint, **changes: Unpack[EndpointChanges]) -> Endpoint:
    """Change an endpoint. At a new address it begins anew, whatever came of the old one; what waits goes there, too.

    Raises as `create`, and NotFound when it was deleted meanwhile.
    """
    with conflicts(taken=_name_taken()), transaction.atomic():
        current = _lock(endpoint)
        current.name = changes.get("name", current.name)
        if "kinds" in changes:
            current.kinds = _checked_kinds(changes["kinds"])
        before = current.url
        current.url = checked_url(changes["target_url"]) if "target_url" in changes else before
        current.clean_fields(exclude={"owner"})
        current.save(update_fields=["name", "kinds", "url", "updated_at"])
        if current.url != before:
            switching.forgive(current)
        _note("changed", current, actor, is_moved=current.url != before)
    return current


@sensitive_variables()
def rotate(*, actor: User, endpoint: Endpoint, keep_old_seconds: int = DEFAULT_OVERLAP_SECONDS) -> str:
    """Give an endpoint a new secret, which is returned this once; for `keep_old_seconds` the old one signs, too.

    Zero ends it at once; at most seven days. One that was kept by an earlier rotation ends at once.

    Raises InvalidInput naming the field, and NotFound when the endpoint was deleted meanwhile.
    """
    if not 0 <= keep_old_seconds <= LONGEST_OVERLAP_SECONDS:
        message = f"Use a number of seconds from 0 to {LONGEST_OVERLAP_SECONDS}."
        raise InvalidInput.for_field("keep_old_seconds", "out_of_range", message)
    secret = signing.new_secret()
    with transaction.atomic():
        current = _lock(endpoint)
        rows = EndpointSecret.objects.filter(endpoint=current)
        rows.filter(valid_until_at__isnull=False).delete()
        rows.update(valid_until_at=Now() + timedelta(seconds=keep_old_seconds))
        _keep(current, secret)
        _note("rotated", current, actor, keep_old_seconds=keep_old_seconds)
    return secret


@transaction.atomic
def turn_on(*, actor: User, endpoint: Endpoint) -> Endpoint:
    """Switch an endpoint on: what waits for it is sent now. Repeating it changes nothing. Raises NotFound."""
    current = _lock(endpoint)
    switching.switch_on(current, actor=actor)
    return current


@transaction.atomic
def turn_off(*, actor: User, endpoint: Endpoint) -> Endpoint:
    """Switch an endpoint off: nothing new is written for it, and what waits goes on waiting. Raises NotFound."""
    current = _lock(endpoint)
    switching.switch_off(current, OffReason.OWNER, actor=actor)
    return current


@transaction.atomic
def send_test(*, endpoint: Endpoint) -> Delivery:
    """Send a delivery of the type `ping` now. Raises EndpointOff, and NotFound when it was deleted meanwhile."""
    current = lock_switched_on(endpoint)
    switching.try_now(current)
    delivery = Delivery(endpoint=current, kind=PING, body=_ping_body(current, database_now()))
    delivery.request_id = current_request_id()
    delivery.due_at = database_now()
    delivery.give_up_at = delivery.due_at + FRESH_START
    delivery.save(force_insert=True)
    return delivery


def delete(*, actor: User, endpoint: Endpoint) -> None:
    """Forget an endpoint and everything that was sent to it. Raises NotFound when somebody else just did."""
    # Off first, and the bulk of the rows in small pieces: whoever writes events passes the endpoint by meanwhile.
    turn_off(actor=actor, endpoint=endpoint)
    while _delete_some(endpoint):
        pass
    with transaction.atomic():
        # The full lock: nobody may refer to it any more.
        current = Endpoint.objects.select_for_update().filter(pk=endpoint.pk).first()
        if current is None:
            raise NotFound
        _note("deleted", current, actor)
        current.delete()


def lock_switched_on(endpoint: Endpoint) -> Endpoint:
    """The locked row. Raises EndpointOff or NotFound."""
    current = _lock(endpoint)
    if not current.is_on:
        raise EndpointOff
    return current


def checked_url(url: str) -> str:
    """The URL as it will be called. Raises InvalidInput naming `target_url`, with the reason as its code."""
    try:
        checked = str(http.check_url(url))
    except http.HttpRefused as refusal:
        raise InvalidInput.for_field("target_url", refusal.reason, str(refusal)) from None
    if len(checked) > URL_LENGTH:
        raise InvalidInput.for_field("target_url", "max_length", f"Use at most {URL_LENGTH} characters.")
    return checked


def _delete_some(endpoint: Endpoint) -> int:
    some = Delivery.objects.filter(endpoint_id=endpoint.pk).order_by("pk").values_list("pk", flat=True)
    return Delivery.objects.filter(pk__in=list(some[:_DELETED_AT_ONCE])).delete()[0]


def _checked_kinds(wanted: Collection[str]) -> list[str]:
    if not wanted or not set(wanted) <= set(OFFERED):
        message = f"Choose at least one of: {', '.join(OFFERED)}."
        raise InvalidInput.for_field("kinds", "invalid_choice" if wanted else "empty", message)
    return [kind for kind in OFFERED if kind in wanted]


def _ping_body(endpoint: Endpoint, now: datetime) -> str:
    at = now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"type": PING, "timestamp": at, "data": {"endpoint": str(endpoint.uuid)}})


@sensitive_variables()
def _keep(endpoint: Endpoint, secret: str) -> None:
    row = EndpointSecret(endpoint=endpoint)
    row.sealed_secret = sealing.seal(secret, context=sealing.context_of(row, FIELD))
    row.save(force_insert=True)


def _lock(endpoint: Endpoint) -> Endpoint:
    rows = Endpoint.objects.select_for_update(of=("self",), no_key=True).select_related("owner")
    current = rows.filter(pk=endpoint.pk).first()
    if current is None:
        raise NotFound
    return current


def _name_taken() -> NameTaken:
    return NameTaken("You already have a webhook endpoint of this name.")


def _note(deed: str, endpoint: Endpoint, actor: User, **facts: Any) -> None:
    about = (ABOUT, endpoint.uuid)
    audit.record(f"endpoint.{deed}", Outcome.DONE, actor=actor, owner=endpoint.owner, about=about, **facts)
