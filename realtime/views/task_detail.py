"""One task: what it says, what happens to it and what may be done with it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from personalq.lib.errors import Conflict, InvalidInput
from realtime.forms.tasks import CancelForm
from realtime.views import live
from realtime.views.answers import Limit, limit_person, wrong_values
from realtime.views.doors import page, person
from realtime.views.output import tail_of, whole_of
from realtime.views.queries import NothingAsked, OutputQuery
from realtime.views.task_panel import VERBS, panel_of
from tasks import access
from tasks.models import Task

LIMIT: Final = Limit(group="task-change", rate="PERSONALQ_RATE_TASK_CHANGE")
FRAGMENT_HEADER: Final = "X-Fragment"


@page("GET")
def show(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The whole page; `?attempt=` shows what an earlier attempt has said."""
    return _show(request, uuid, OutputQuery.read(request))


@page("GET")
def panel(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The parts of the page that change with events."""
    NothingAsked.read(request)
    return _show_panel(request, uuid)


@page("GET")
def output(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """All that an attempt has said, as a plain text file."""
    task = access.task_for(person(request), uuid)
    attempt = _attempt(task, OutputQuery.read(request))
    name = f"{task.uuid}-attempt-{attempt}.txt"
    return HttpResponse(
        whole_of(task, attempt),
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@page("POST")
def act(request: HttpRequest, uuid: UUID, verb: str) -> HttpResponse:
    """Carry out a verb; a script gets the changed parts, a form is led back to the page."""
    user = person(request)
    limit_person(request, LIMIT)
    task = access.task_for(user, uuid, "change")
    details = {"reason": _reason(request)} if verb == "cancel" else {}
    is_fragment = FRAGMENT_HEADER in request.headers
    try:
        VERBS[verb](actor=user, task=task, **details)
    except Conflict as refusal:
        notice = f"{refusal.title} {refusal.detail}"
        answer = _show_panel if is_fragment else _show
        return answer(request, uuid, notice=notice, status=refusal.status)
    return _show_panel(request, uuid) if is_fragment else redirect("task", uuid=uuid)


def _reason(request: HttpRequest) -> str:
    form = CancelForm(request.POST)
    if not form.is_valid():
        raise wrong_values(form)
    return str(form.cleaned_data["reason"]).strip()


def _show(
    request: HttpRequest,
    uuid: UUID,
    wanted: Mapping[str, Any] = MappingProxyType({}),
    *,
    notice: str = "",
    status: int = 200,
) -> HttpResponse:
    last_event_id = live.last_event_id(person(request))
    task = access.task_for(person(request), uuid)
    attempt = _attempt(task, wanted)
    context = {
        **panel_of(person(request), task),
        "last_event_id": last_event_id,
        "attempt": attempt,
        "is_latest": attempt == task.attempts,
        "tail": tail_of(task, attempt),
        "notice": notice,
    }
    return render(request, "pages/task.html", context, status=status)


def _show_panel(request: HttpRequest, uuid: UUID, *, notice: str = "", status: int = 200) -> HttpResponse:
    task = access.task_for(person(request), uuid)
    context = {**panel_of(person(request), task), "notice": notice}
    return render(request, "pages/_task_fragment.html", context, status=status)


def _attempt(task: Task, wanted: Mapping[str, Any]) -> int:
    attempt: int = wanted.get("attempt", task.attempts)
    if attempt > task.attempts:
        raise InvalidInput.for_field("attempt", "invalid", f"This task has had {task.attempts} attempts so far.")
    return attempt
