"""What the pages with forms share."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.forms import Form
from django.http import HttpRequest, QueryDict
from django.urls import reverse

from accounts.idempotency import Answer, answer_once, fingerprint_of
from accounts.models import User
from accounts.pages.access import show_form as show_form  # noqa: PLC0414 - for those who import it from here
from personalq.lib.errors import FieldError, InvalidInput
from personalq.lib.rate_limits import limit
from realtime.forms.fields import OnceForm
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


def lead_back(request: HttpRequest, *, list_route: str, route: str, uuid: UUID) -> str:
    """The address of the page that a button stood on: the list when the form says so, else the object's own."""
    return reverse(list_route) if request.POST.get("back") == "list" else reverse(route, args=[uuid])


def wrong_values(form: Form) -> InvalidInput:
    """What is wrong with a form that has no page of its own to be shown again."""
    found = ((name, each) for name, errors in form.errors.get_json_data().items() for each in errors)
    return InvalidInput(errors=[FieldError(name, each["code"] or "invalid", each["message"]) for name, each in found])


def carry_out_once(*, user: User, form: OnceForm, path: str, work: Callable[[], str]) -> str:
    """The address to which the work leads; a good form that comes again leads to where it led the first time."""
    form_key = form.cleaned_data.pop("form_key")
    if form_key is None:
        return work()
    fingerprint = fingerprint_of(method="POST", path=path, body=form.typed)
    # Who goes back and changes what was typed wants another one. The blanks keep the API's keys apart.
    key = f"form {form_key} {fingerprint}"
    # A browser shows the answer to the last of several clicks, which therefore has to wait for the first one's.
    answer = answer_once(
        actor=user, key=key, fingerprint=fingerprint, work=lambda: _leading_to(work()), is_patient=True
    )
    return answer.headers["Location"]


def _leading_to(address: str) -> Answer:
    return Answer(status=302, headers={"Location": address})
