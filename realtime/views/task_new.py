"""Queueing a prompt."""

from functools import partial
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from accounts.models import User
from personalq.lib.errors import AppError, Conflict, InvalidInput
from realtime.forms.tasks import TaskForm
from realtime.views.answers import Limit, carry_out_once, limit_person, show_form
from realtime.views.doors import page, person
from realtime.views.queries import NewTaskQuery
from tasks import access, lifecycle
from tasks.constraints import conflicts
from tasks.models import PROMPT_LENGTH
from tasks.models.task import Source

_LIMIT: Final = Limit(group="task-create", rate="PERSONALQ_RATE_TASK_CREATE")


@page("GET", "POST")
def new(request: HttpRequest) -> HttpResponse:
    """The form; `?agent=` chooses one beforehand. What was typed survives every refusal."""
    user = person(request)
    if request.method == "POST":
        return _queue(request, user)
    wanted = NewTaskQuery.read(request)
    return _show(request, TaskForm(user, initial={"agent": _chosen(user, wanted.get("agent"))}))


def _queue(request: HttpRequest, user: User) -> HttpResponse:
    form = TaskForm(user, request.POST)
    try:
        limit_person(request, _LIMIT)
        if not form.is_valid():
            return _show(request, form, refusal=InvalidInput())
        work = partial(_submit, user, form.cleaned_data)
        return redirect(carry_out_once(user=user, form=form, path=reverse("task-new"), work=work))
    except AppError as refusal:
        form.take(refusal)
        return _show(request, form, refusal=refusal)


def _submit(user: User, values: dict[str, Any]) -> str:
    """The address of the new task."""
    order = values.pop("order")
    gone = Conflict("The agent was deleted at this moment. Choose another one.")
    with conflicts(gone=gone):
        task = lifecycle.submit(actor=user, source=Source.WEB, order=order or 0, **values)
    return reverse("task", args=[task.uuid])


def _chosen(user: User, uuid: UUID | None) -> UUID | None:
    """The agent to begin with: the one asked for, or the only one there is."""
    if uuid is not None:
        return access.agent_for(user, uuid).uuid
    first_two = access.agents_of(user).values_list("uuid", flat=True)[:2]
    return first_two[0] if len(first_two) == 1 else None


def _show(request: HttpRequest, form: TaskForm, *, refusal: AppError | None = None) -> HttpResponse:
    context = {
        "section": "new",
        "form": form,
        "has_agents": access.agents_of(person(request)).exists(),
        "most_characters": PROMPT_LENGTH,
    }
    return show_form(request, "pages/task_new.html", context, refusal=refusal)
