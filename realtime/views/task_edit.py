"""Changing what a task says, where it stands in line and in which queue it waits."""

from uuid import UUID

from django.contrib import messages
from django.db.transaction import atomic
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from personalq.lib.constraints import conflicts
from personalq.lib.errors import AppError, Conflict, InvalidInput
from realtime.forms.tasks import TaskEditForm
from realtime.views.answers import limit_person, posted, show_form
from realtime.views.doors import page, person
from realtime.views.queries import NothingAsked
from realtime.views.task_detail import LIMIT
from tasks import access, lifecycle, states
from tasks.models import Task


@page("GET", "POST")
def edit(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The form; what was typed survives every refusal, also when the task was started meanwhile."""
    NothingAsked.read(request)
    task = access.task_for(person(request), uuid, "change")
    form = TaskEditForm(task, task.owner or person(request), posted(request))
    refusal = _save(request, form, task) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, "The task is saved.")
        return redirect("task", uuid=uuid)
    context = {"section": "tasks", "task": task, "form": form, "may_edit": _may_edit(task)}
    return show_form(request, "pages/task_edit.html", context, refusal=refusal)


def _may_edit(task: Task) -> bool:
    return "edit" in states.verbs_for(task.state, is_pruned=task.pruned_at is not None)


def _save(request: HttpRequest, form: TaskEditForm, task: Task) -> AppError | None:
    try:
        limit_person(request, LIMIT)
        if not form.is_valid():
            return InvalidInput()
        _change(request, form, task)
    except AppError as refusal:
        form.take(refusal)
        return refusal
    return None


def _change(request: HttpRequest, form: TaskEditForm, task: Task) -> None:
    changes = form.changes
    queue = changes.pop("queue", None)
    with conflicts(gone=Conflict("The queue was deleted at this moment. Choose another one.")), atomic():
        if changes:
            lifecycle.edit(actor=person(request), task=task, **changes)
        if queue is not None:
            lifecycle.move(actor=person(request), task=task, queue=queue)
