"""Queues: the list, making, changing, pausing and deleting them."""

from typing import Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.forms import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.models import User
from personalq.lib.errors import AppError, InvalidInput
from personalq.lib.translation import app_error_from
from realtime.forms.fields import AnswerableForm
from realtime.forms.queues import LIMITS, QueueForm, QueueLimitsForm
from realtime.views.answers import Limit, lead_back, limit_person, posted, show_form
from realtime.views.doors import page, person
from realtime.views.paging import page_of
from realtime.views.queries import NeighbourQuery, NothingAsked
from realtime.views.queue_loads import with_queue_loads
from tasks import access, queues
from tasks.models import DEFAULT_QUEUE, Queue
from tasks.queue_counts import counts_of

PAGE_SIZE: Final = 24
VERBS: Final = {"pause": queues.pause, "resume": queues.resume}
_DONE: Final = {"pause": "is paused. Tasks that run go on.", "resume": "goes on."}
_WRITE_LIMIT: Final = Limit(group="queue-change", rate="PERSONALQ_RATE_QUEUE_CHANGE")


@page("GET")
def show_list(request: HttpRequest) -> HttpResponse:
    """A page of the user's queues and the shared ones, each with its load."""
    user = person(request)
    wanted = NeighbourQuery.read(request)
    seen = access.queues_of(user)
    found = page_of(seen, among=seen, size=PAGE_SIZE, before=wanted.get("before"), after=wanted.get("after"))
    context = {"section": "queues", "page": found, "loads": with_queue_loads(user, found.rows)}
    return render(request, "pages/queue_list.html", context)


@page("GET", "POST")
def new(request: HttpRequest) -> HttpResponse:
    """The form of a new queue; operators may make one that everybody shares."""
    NothingAsked.read(request)
    form = QueueForm(posted(request), may_share=_may_share(person(request)))
    made = _create(request, form) if request.method == "POST" else None
    if isinstance(made, Queue):
        messages.success(request, f"The queue {made.name} is made.")
        return redirect("queue-list")
    return show_form(request, "pages/queue_new.html", {"section": "queues", "form": form}, refusal=made)


@page("GET", "POST")
def edit(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One queue: how busy it is and, for whoever may change it, its limits."""
    NothingAsked.read(request)
    queue = access.queue_for(person(request), uuid, "change" if request.method == "POST" else "view")
    form = QueueLimitsForm(posted(request), initial=model_to_dict(queue, LIMITS))
    refusal = _change(request, form, queue) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, f"The queue {queue.name} is saved.")
        return redirect("queue", uuid=uuid)
    load = with_queue_loads(person(request), [queue])[0]
    counts = counts_of([queue], user=person(request))[queue.pk]
    context = {"section": "queues", "load": load, "counts": counts, "queue": queue, "form": form}
    context["may_delete"] = _may_delete(queue)
    return show_form(request, "pages/queue.html", context, refusal=refusal)


@page("GET", "POST")
def delete(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Asks whether that is meant, then deletes."""
    NothingAsked.read(request)
    queue = access.queue_for(person(request), uuid, "change")
    refusal = _delete(request, queue) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, f"The queue {queue.name} is deleted. Its name is free again.")
        return redirect("queue-list")
    context = {"section": "queues", "queue": queue, "refusal": refusal, **queues.uses_of(queue)}
    return show_form(request, "pages/queue_delete.html", context, refusal=refusal)


@page("POST")
def act(request: HttpRequest, uuid: UUID, verb: str) -> HttpResponse:
    """Pause or resume; the form leads back to the list or to the queue, whichever it stood on."""
    user = person(request)
    limit_person(request, _WRITE_LIMIT)
    queue = VERBS[verb](actor=user, queue=access.queue_for(user, uuid, "change"))
    messages.success(request, f"The queue {queue.name} {_DONE[verb]}")
    return redirect(lead_back(request, list_route="queue-list", route="queue", uuid=uuid))


def _may_share(user: User) -> bool:
    return access.is_operator_for(user, Queue, "change") and user.has_perm("tasks.add_queue")


def _may_delete(queue: Queue) -> bool:
    return not (queue.is_shared and queue.name == DEFAULT_QUEUE)


def _create(request: HttpRequest, form: QueueForm) -> Queue | AppError:
    try:
        _check(request, form)
        return queues.create(actor=person(request), **form.cleaned_data)
    except (AppError, ValidationError) as error:
        return _refuse(form, error)


def _change(request: HttpRequest, form: QueueLimitsForm, queue: Queue) -> AppError | None:
    try:
        _check(request, form)
        queues.change(actor=person(request), queue=queue, **form.cleaned_data)
    except (AppError, ValidationError) as error:
        return _refuse(form, error)
    return None


def _delete(request: HttpRequest, queue: Queue) -> AppError | None:
    try:
        limit_person(request, _WRITE_LIMIT)
        queues.delete(actor=person(request), queue=queue)
    except AppError as refusal:
        return refusal
    return None


def _check(request: HttpRequest, form: AnswerableForm) -> None:
    limit_person(request, _WRITE_LIMIT)
    if not form.is_valid():
        raise InvalidInput


def _refuse(form: AnswerableForm, error: Exception) -> AppError:
    refusal = app_error_from(error) or AppError()
    # What the form itself found stands at its fields already.
    if refusal.errors or not isinstance(refusal, InvalidInput):
        form.take(refusal)
    return refusal
