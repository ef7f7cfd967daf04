"""Webhook endpoints: the list, making, changing, rotating and deleting them. A secret is shown once."""

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_variables

from personalq.lib.errors import AppError, InvalidInput
from personalq.lib.translation import app_error_from
from realtime.forms.endpoints import EndpointForm, RotationForm
from realtime.views.answers import Limit, limit_person, posted, show_form
from realtime.views.doors import page, person
from realtime.views.paging import page_of
from realtime.views.queries import NeighbourQuery, NothingAsked
from webhooks import access
from webhooks.models import Endpoint
from webhooks.outbound import endpoints

PAGE_SIZE: Final = 24
SECTION: Final = {"section": "endpoints"}
WRITE_LIMIT: Final = Limit(group="door-change", rate="PERSONALQ_RATE_DOOR_CHANGE")


@page("GET")
def show_list(request: HttpRequest) -> HttpResponse:
    """A page of the user's endpoints."""
    wanted = NeighbourQuery.read(request)
    own = access.endpoints_of(person(request))
    found = page_of(own, among=own, size=PAGE_SIZE, before=wanted.get("before"), after=wanted.get("after"))
    return render(request, "pages/endpoint_list.html", {**SECTION, "page": found})


@page("GET", "POST")
@sensitive_variables()
def new(request: HttpRequest) -> HttpResponse:
    """The form or, once it is sent and good, the secret: this one time, and without an address to come back to."""
    NothingAsked.read(request)
    form = EndpointForm(posted(request))
    made = _make(request, form) if request.method == "POST" else None
    if isinstance(made, endpoints.NewEndpoint):
        return _show_secret(request, made.endpoint, made.secret)
    return show_form(request, "pages/endpoint_new.html", {**SECTION, "form": form}, refusal=made)


@page("GET", "POST")
def edit(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Name, address and kinds."""
    NothingAsked.read(request)
    endpoint = access.endpoint_for(person(request), uuid, "change")
    initial = {"name": endpoint.name, "target_url": endpoint.url, "kinds": endpoint.kinds}
    form = EndpointForm(posted(request), initial=initial)
    refusal = _change(request, form, endpoint) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, f"The endpoint {form.cleaned_data['name']} is saved.")
        return redirect("endpoint", uuid=uuid)
    context = {**SECTION, "form": form, "endpoint": endpoint}
    return show_form(request, "pages/endpoint_edit.html", context, refusal=refusal)


@page("GET", "POST")
@sensitive_variables()
def rotate(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Asks how long the old secret is needed, then shows the new one this once."""
    NothingAsked.read(request)
    user = person(request)
    endpoint = access.endpoint_for(user, uuid, "change")
    form = RotationForm(posted(request))
    refusal: AppError | None = None
    if request.method == "POST":
        limit_person(request, WRITE_LIMIT)
        if form.is_valid():
            secret = endpoints.rotate(actor=user, endpoint=endpoint, **form.cleaned_data)
            return _show_secret(request, endpoint, secret)
        refusal = InvalidInput()
    context = {**SECTION, "form": form, "endpoint": endpoint}
    return show_form(request, "pages/endpoint_rotate.html", context, refusal=refusal)


@page("GET", "POST")
def delete(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Asks whether that is meant, then deletes."""
    NothingAsked.read(request)
    user = person(request)
    endpoint = access.endpoint_for(user, uuid, "change")
    if request.method != "POST":
        return render(request, "pages/endpoint_delete.html", {**SECTION, "endpoint": endpoint})
    limit_person(request, WRITE_LIMIT)
    endpoints.delete(actor=user, endpoint=endpoint)
    messages.success(request, f"The endpoint {endpoint.name} is deleted.")
    return redirect("endpoint-list")


@sensitive_variables()
def _show_secret(request: HttpRequest, endpoint: Endpoint, secret: str) -> HttpResponse:
    return render(request, "pages/endpoint_secret.html", {**SECTION, "endpoint": endpoint, "text": secret})


@sensitive_variables()
def _make(request: HttpRequest, form: EndpointForm) -> endpoints.NewEndpoint | AppError:
    try:
        limit_person(request, WRITE_LIMIT)
        if not form.is_valid():
            return InvalidInput()
        return endpoints.create(actor=person(request), **form.cleaned_data)
    except (AppError, ValidationError) as error:
        return _taken(form, error)


def _change(request: HttpRequest, form: EndpointForm, endpoint: Endpoint) -> AppError | None:
    values: Any = form.cleaned_data if form.is_valid() else None
    try:
        limit_person(request, WRITE_LIMIT)
        if values is None:
            return InvalidInput()
        endpoints.change(actor=person(request), endpoint=endpoint, **values)
    except (AppError, ValidationError) as error:
        return _taken(form, error)
    return None


def _taken(form: EndpointForm, error: AppError | ValidationError) -> AppError:
    refusal = app_error_from(error) or AppError()
    form.take(refusal)
    return refusal
