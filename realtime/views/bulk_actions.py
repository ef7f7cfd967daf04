"""One action for many tasks: asking whether it is meant, and watching how far it is."""

from functools import partial
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.models import User
from personalq.lib.errors import AppError, InvalidInput
from realtime.forms.queues import BulkForm
from realtime.views.answers import Limit, carry_out_once, limit_person, posted, show_form
from realtime.views.bulk_words import LABELS, Progress, words_of_filter
from realtime.views.doors import page, person
from realtime.views.paging import page_of
from realtime.views.queries import BulkQuery, NeighbourQuery, NothingAsked
from realtime.views.task_rows import criteria_of, query_string
from tasks import access, bulk, states
from tasks.criteria import TaskCriteria
from tasks.models.bulk_action import BulkVerb

PAGE_SIZE: Final = 25
MOST_COUNTED: Final = 1_000
LIMIT: Final = Limit(group="task-change", rate="PERSONALQ_RATE_TASK_CHANGE")


@page("GET")
def show_list(request: HttpRequest) -> HttpResponse:
    """A page of the user's bulk actions, newest first."""
    wanted = NeighbourQuery.read(request)
    own = access.bulk_actions_of(person(request)).select_related("queue")
    found = page_of(own, among=own, size=PAGE_SIZE, before=wanted.get("before"), after=wanted.get("after"))
    context = {"section": "tasks", "page": found, "actions": [Progress(action) for action in found.rows]}
    return render(request, "pages/bulk_list.html", context)


@page("GET", "POST")
def new(request: HttpRequest) -> HttpResponse:
    """Says what the action would touch; once that is confirmed, leads to its progress."""
    user = person(request)
    wanted = BulkQuery.read(request)
    action = BulkVerb(wanted.pop("action"))
    form = BulkForm(action, user, posted(request))
    asked = _ask(request, form, action, wanted) if request.method == "POST" else None
    if isinstance(asked, str):
        return redirect(asked)
    context = {
        "section": "tasks",
        "form": form,
        "label": LABELS[action],
        "action": action.value,
        "filter_words": words_of_filter(_shown_filter(user, wanted)),
        "list_query": query_string(wanted),
        **count_of(user, action, criteria_of(user, wanted)),
    }
    return show_form(request, "pages/bulk_new.html", context, refusal=asked)


@page("GET")
def show(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """How far one is."""
    return _show(request, uuid, "pages/bulk_action.html")


@page("GET")
def panel(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The part of the page that changes."""
    return _show(request, uuid, "pages/_bulk_progress.html")


@page("POST")
def stop(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Leave the rest of the tasks alone."""
    user = person(request)
    limit_person(request, LIMIT)
    bulk.stop(actor=user, action=access.bulk_action_for(user, uuid, "change"))
    return redirect("bulk-action", uuid=uuid)


def count_of(user: User, action: BulkVerb, criteria: TaskCriteria) -> dict[str, Any]:
    """How many tasks an action would touch now; beyond `MOST_COUNTED` only that there are more."""
    fitting = criteria.among(access.tasks_of(user)).filter(status__in=states.ALLOWED_FROM[action])
    count = fitting.order_by()[: MOST_COUNTED + 1].count()
    return {"count": min(count, MOST_COUNTED), "is_more": count > MOST_COUNTED}


def _show(request: HttpRequest, uuid: UUID, template: str) -> HttpResponse:
    NothingAsked.read(request)
    action = access.bulk_action_for(person(request), uuid)
    may_change = access.is_owner_or_operator(person(request), action, "change")
    context = {"section": "tasks", "progress": Progress(action), "action": action, "may_change": may_change}
    return render(request, template, context)


def _ask(request: HttpRequest, form: BulkForm, action: BulkVerb, wanted: dict[str, Any]) -> str | AppError:
    """The address of the bulk action, or what speaks against it."""
    try:
        limit_person(request, LIMIT)
        if not form.is_valid():
            return InvalidInput()
        work = partial(_create, person(request), form, action, wanted)
        path = reverse("bulk-action-new") + query_string(wanted, action=action.value)
        return carry_out_once(user=person(request), form=form, path=path, work=work)
    except AppError as refusal:
        form.take(refusal)
        return refusal


def _create(user: User, form: BulkForm, action: BulkVerb, wanted: dict[str, Any]) -> str:
    made = bulk.create(
        actor=user,
        action=action,
        criteria=criteria_of(user, wanted),
        shown_filter=_shown_filter(user, wanted),
        task_owner=user,
        **form.cleaned_data,
    )
    return reverse("bulk-action", args=[made.uuid])


def _shown_filter(user: User, wanted: dict[str, Any]) -> dict[str, Any]:
    """A filter of these pages in the words of the API."""
    shown: dict[str, Any] = {}
    if "status" in wanted:
        shown["status"] = [wanted["status"]]
    if "agent" in wanted:
        shown["agent"] = access.agent_for(user, wanted["agent"]).name
    if "queue" in wanted:
        shown["queue"] = access.queue_for(user, wanted["queue"]).name
    if "text" in wanted:
        shown["search"] = wanted["text"]
    return shown or {"all": True}
