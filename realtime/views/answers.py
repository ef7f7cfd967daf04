"""What the pages with forms share."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from personalq.lib.errors import AppError
from personalq.lib.rate_limits import limit
from realtime.views.doors import person


@dataclass(frozen=True)
class Limit:
    """How often a person may do something, counted together with the API's requests of the same group."""

    group: str
    rate: str


def limit_person(request: HttpRequest, allowed: Limit) -> None:
    """Count one use; raises RateLimited when it is one too many."""
    limit(request, group=allowed.group, key=f"user\n{person(request).pk}", rate=allowed.rate)


def posted(request: HttpRequest) -> QueryDict | None:
    """What a form sent, which may be nothing at all; None when the form is only to be shown."""
    return request.POST if request.method == "POST" else None


def show_form(
    request: HttpRequest, template: str, context: dict[str, Any], *, refusal: AppError | None = None
) -> HttpResponse:
    """The page of a form, with the status and the headers of what was refused."""
    response = render(request, template, context, status=refusal.status if refusal else 200)
    for name, value in refusal.headers.items() if refusal else ():
        response.headers[name] = value
    return response
