"""One webhook endpoint with its deliveries, one delivery with its attempts, and what can be asked of them."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.models import User
from personalq.lib.errors import AppError
from realtime.views.answers import limit_person
from realtime.views.doors import page, person
from realtime.views.endpoints import SECTION, WRITE_LIMIT
from realtime.views.paging import page_of
from realtime.views.queries import DeliveriesQuery, NothingAsked
from webhooks import access
from webhooks.models import Delivery, DeliveryState, Endpoint
from webhooks.outbound import deliveries, endpoints
from webhooks.outbound.signing import message_id

PAGE_SIZE: Final = 25
STATES: Final = (
    (DeliveryState.PENDING.value, "waiting"),
    (DeliveryState.DELIVERED.value, "delivered"),
    (DeliveryState.FAILED.value, "given up"),
)


def _turn_on(user: User, endpoint: Endpoint) -> str:
    endpoints.turn_on(actor=user, endpoint=endpoint)
    return "is on. What waits for it is sent now."


def _turn_off(user: User, endpoint: Endpoint) -> str:
    endpoints.turn_off(actor=user, endpoint=endpoint)
    return "is off. It gets nothing new, and what waits goes on waiting."


def _test(_: User, endpoint: Endpoint) -> str:
    endpoints.send_test(endpoint=endpoint)
    return "gets a test delivery now; reload the page to see how it was answered."


def _redeliver_failed(_: User, endpoint: Endpoint) -> str:
    count = deliveries.redeliver_failed(endpoint=endpoint)
    return f"gets {count} {'delivery' if count == 1 else 'deliveries'} again that had failed."


VERBS: Final[dict[str, Callable[[User, Endpoint], str]]] = {
    "on": _turn_on,
    "off": _turn_off,
    "test": _test,
    "redeliver-failed": _redeliver_failed,
}
"""What can be asked of an endpoint by a button; each tells what came of it."""


@page("GET")
def show(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """An endpoint and a page of its deliveries, newest first."""
    wanted = DeliveriesQuery.read(request)
    user = person(request)
    endpoint = access.endpoint_for(user, uuid)
    rows = Delivery.objects.filter(endpoint=endpoint).defer("body")
    state = wanted.get("state")
    shown = rows.filter(state=state) if state else rows
    context = {
        **SECTION,
        "endpoint": endpoint,
        "page": page_of(shown, among=rows, size=PAGE_SIZE, before=wanted.get("before"), after=wanted.get("after")),
        "state": state,
        "states": STATES,
        "has_failed": rows.filter(state=DeliveryState.FAILED).exists(),
        "waiting": rows.filter(state=DeliveryState.PENDING).count(),
        "secrets": endpoint.secrets.all().valid().order_by("-id"),
        "may_change": access.may(user, endpoint, "change"),
    }
    return render(request, "pages/endpoint.html", context)


@page("POST")
def act(request: HttpRequest, uuid: UUID, verb: str) -> HttpResponse:
    """Switch an endpoint, test it, or send again what failed."""
    user = person(request)
    limit_person(request, WRITE_LIMIT)
    endpoint = access.endpoint_for(user, uuid, "change")
    _tell(request, endpoint, lambda: VERBS[verb](user, endpoint))
    return redirect("endpoint", uuid=uuid)


@page("GET")
def show_delivery(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """What is sent, and each attempt."""
    NothingAsked.read(request)
    user = person(request)
    delivery = access.delivery_for(user, uuid)
    context: dict[str, Any] = {
        **SECTION,
        "delivery": delivery,
        "endpoint": delivery.endpoint,
        "message_id": message_id(delivery.uuid),
        "tries": delivery.tries.order_by("-number"),
        "may_change": access.may(user, delivery, "change"),
    }
    return render(request, "pages/delivery.html", context)


@page("POST")
def redeliver(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Send a delivery again."""
    limit_person(request, WRITE_LIMIT)
    delivery = access.delivery_for(person(request), uuid, "change")

    def send_again() -> str:
        deliveries.redeliver(delivery=delivery)
        return "gets this delivery again now; reload the page to see how it was answered."

    _tell(request, delivery.endpoint, send_again)
    return redirect("delivery", uuid=uuid)


def _tell(request: HttpRequest, endpoint: Endpoint, work: Callable[[], str]) -> None:
    """What came of it, on the page that follows."""
    try:
        messages.success(request, f"{endpoint.name} {work()}")
    except AppError as refusal:
        messages.error(request, f"{endpoint.name}: {refusal.title} {refusal.detail}")
