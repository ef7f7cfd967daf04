"""Dead letters: tasks that failed because their attempts were used up."""

from functools import partial
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from accounts.models import User
from personalq.lib.errors import AppError
from realtime.forms.fields import OnceForm
from realtime.views.answers import carry_out_once, limit_person, show_form, wrong_values
from realtime.views.bulk_actions import LIMIT, count_of
from realtime.views.doors import page, person
from realtime.views.paging import page_of
from realtime.views.queries import NeighbourQuery, NothingAsked
from realtime.views.task_rows import dead_rows_of
from tasks import access, bulk
from tasks.criteria import TaskCriteria
from tasks.models.bulk_action import BulkVerb

PAGE_SIZE: Final = 25
_DEAD: Final = TaskCriteria(is_dead=True)


@page("GET")
def show_list(request: HttpRequest) -> HttpResponse:
    """A page of them, newest first."""
    return _show(request)


@page("POST")
def retry_all(request: HttpRequest) -> HttpResponse:
    """Give each a fresh set of attempts."""
    asked = _ask(request, BulkVerb.RETRY)
    return _show(request, refusal=asked) if isinstance(asked, AppError) else redirect(asked)


@page("GET", "POST")
def discard_all(request: HttpRequest) -> HttpResponse:
    """Asks whether that is meant, then archives them."""
    NothingAsked.read(request)
    asked = _ask(request, BulkVerb.ARCHIVE) if request.method == "POST" else None
    if isinstance(asked, str):
        return redirect(asked)
    context = {
        "section": "dead-letters",
        "form": OnceForm(),
        "refusal": asked,
        **count_of(person(request), BulkVerb.ARCHIVE, _DEAD),
    }
    return show_form(request, "pages/dead_letters_discard.html", context, refusal=asked)


def _show(request: HttpRequest, *, refusal: AppError | None = None) -> HttpResponse:
    user = person(request)
    wanted: dict[str, Any] = NeighbourQuery.read(request)
    found = page_of(
        dead_rows_of(user),
        among=access.tasks_of(user),
        size=PAGE_SIZE,
        before=wanted.get("before"),
        after=wanted.get("after"),
    )
    context = {"section": "dead-letters", "page": found, "form": OnceForm(), "refusal": refusal}
    return show_form(request, "pages/dead_letters.html", context, refusal=refusal)


def _ask(request: HttpRequest, action: BulkVerb) -> str | AppError:
    """The address of the bulk action, or what speaks against it."""
    form = OnceForm(request.POST)
    try:
        limit_person(request, LIMIT)
        if not form.is_valid():
            return wrong_values(form)
        work = partial(_create, person(request), action)
        return carry_out_once(user=person(request), form=form, path=request.path, work=work)
    except AppError as refusal:
        return refusal


def _create(user: User, action: BulkVerb) -> str:
    made = bulk.create(actor=user, action=action, criteria=_DEAD, shown_filter={"dead": True}, task_owner=user)
    return reverse("bulk-action", args=[made.uuid])
