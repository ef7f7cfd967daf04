"""One task: what it says, what happens to it and what may be done with it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from personalq.lib.errors import IllegalTransition, InvalidInput
from realtime.views import live
from realtime.views.answers import Limit, limit_person
from realtime.views.doors import page, person
from realtime.views.output import tail_of, whole_of
from realtime.views.queries import NothingAsked, OutputQuery
from realtime.views.timeline import timeline_of
from tasks import access, lifecycle, states
from tasks.models import Task

# In the order in which the buttons stand.
VERBS: Final = {
    "cancel": lifecycle.cancel,
    "retry": lifecycle.retry,
    "release": lifecycle.release,
    "backlog": lifecycle.backlog,
    "restore": lifecycle.restore,
    "archive": lifecycle.archive,
}
_LABELS: Final = {
    "cancel": "Cancel",
    "retry": "Retry",
    "release": "Release",
    "backlog": "Put into backlog",
    "restore": "Restore",
    "archive": "Archive",
}
_LIMIT: Final = Limit(group="task-change", rate="PERSONALQ_RATE_TASK_CHANGE")
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
    limit_person(request, _LIMIT)
    task = access.task_for(user, uuid, "change")
    is_fragment = FRAGMENT_HEADER in request.headers
    try:
        VERBS[verb](actor=user, task=task)
    except IllegalTransition as refusal:
        notice = f"{refusal.title} {refusal.detail}"
        answer = _show_panel if is_fragment else _show
        return answer(request, uuid, notice=notice, status=refusal.status)
    return _show_panel(request, uuid) if is_fragment else redirect("task", uuid=uuid)


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
        **_panel(request, task),
        "last_event_id": last_event_id,
        "attempt": attempt,
        "is_latest": attempt == task.attempts,
        "tail": tail_of(task, attempt),
        "notice": notice,
    }
    return render(request, "pages/task.html", context, status=status)


def _show_panel(request: HttpRequest, uuid: UUID, *, notice: str = "", status: int = 200) -> HttpResponse:
    task = access.task_for(person(request), uuid)
    context = {**_panel(request, task), "notice": notice}
    return render(request, "pages/_task_fragment.html", context, status=status)


def _panel(request: HttpRequest, task: Task) -> dict[str, Any]:
    may_change = access.is_owner_or_operator(person(request), task, "change")
    allowed = states.verbs_for(task.state) if may_change else frozenset()
    return {
        "section": "tasks",
        "task": task,
        "actions": [
            {"verb": verb, "label": _LABELS[verb], "route": f"task-{verb}"} for verb in VERBS if verb in allowed
        ],
        "attempt": task.attempts,
        "attempts": range(1, task.attempts + 1),
        "most_attempts": task.free_attempts + task.max_attempts,
        "timeline": timeline_of(task),
    }


def _attempt(task: Task, wanted: Mapping[str, Any]) -> int:
    attempt: int = wanted.get("attempt", task.attempts)
    if attempt > task.attempts:
        raise InvalidInput.for_field("attempt", "invalid", f"This task has had {task.attempts} attempts so far.")
    return attempt
