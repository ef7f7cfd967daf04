"""One schedule: what it says, its next times, what became of the earlier ones, and what may be done with it."""

from functools import partial
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.models import User
from personalq.lib.errors import AppError
from realtime.forms.fields import OnceForm
from realtime.views import live
from realtime.views.answers import Limit, carry_out_once, lead_back, limit_person, show_form, wrong_values
from realtime.views.doors import page, person
from realtime.views.queries import NothingAsked
from realtime.views.schedules import SHOWN_TIMES, WRITE_LIMIT
from tasks import access, schedules
from tasks.models import Schedule, ScheduleFire

MOST_FIRES: Final = 25
VERBS: Final = {"pause": schedules.pause, "resume": schedules.resume}
_DONE: Final = {"pause": "is paused. Its tasks go on.", "resume": "goes on."}
_RUN_LIMIT: Final = Limit(group="task-create", rate="PERSONALQ_RATE_TASK_CREATE")
_FIRE_COLUMNS: Final = (
    "due_at", "until_at", "count", "is_manual", "outcome", "code", "drift_seconds", "at",
    "task__uuid", "task__status",
)  # fmt: skip


@page("GET")
def show(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The whole page."""
    NothingAsked.read(request)
    return _show(request, uuid)


@page("GET")
def panel(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The parts of the page that change with events."""
    NothingAsked.read(request)
    return render(request, "pages/_schedule_panel.html", _panel_of(person(request), uuid))


@page("POST")
def act(request: HttpRequest, uuid: UUID, verb: str) -> HttpResponse:
    """Pause or resume; the form leads back to the list or to the schedule, whichever it stood on."""
    user = person(request)
    limit_person(request, WRITE_LIMIT)
    schedule = VERBS[verb](actor=user, schedule=access.schedule_for(user, uuid, "change"))
    messages.success(request, f"The schedule {schedule.name} {_DONE[verb]}")
    return redirect(lead_back(request, list_route="schedule-list", route="schedule", uuid=uuid))


@page("POST")
def run(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Bring in a task now and lead to it; once, however often the button is pressed."""
    user = person(request)
    schedule = access.schedule_for(user, uuid, "change")
    form = OnceForm(request.POST)
    try:
        limit_person(request, _RUN_LIMIT)
        if not form.is_valid():
            raise wrong_values(form)
        work = partial(_run, user, schedule)
        return redirect(carry_out_once(user=user, form=form, path=request.path, work=work))
    except AppError as refusal:
        return _show(request, uuid, refusal=refusal)


def _run(user: User, schedule: Schedule) -> str:
    """The address of the new task."""
    return reverse("task", args=[schedules.run(actor=user, schedule=schedule).uuid])


def _show(request: HttpRequest, uuid: UUID, *, refusal: AppError | None = None) -> HttpResponse:
    user = person(request)
    last_event_id = live.last_event_id(user)
    context = {**_panel_of(user, uuid), "last_event_id": last_event_id, "refusal": refusal, "form": OnceForm()}
    return show_form(request, "pages/schedule.html", context, refusal=refusal)


def _panel_of(user: User, uuid: UUID) -> dict[str, Any]:
    schedule = access.schedule_for(user, uuid)
    fires = _fires_of(schedule)
    return {
        "section": "schedules",
        "schedule": schedule,
        "upcoming": schedules.upcoming(schedule, SHOWN_TIMES),
        "fires": fires[:MOST_FIRES],
        "has_more_fires": len(fires) > MOST_FIRES,
        "may_change": access.is_owner_or_operator(user, schedule, "change"),
    }


def _fires_of(schedule: Schedule) -> list[ScheduleFire]:
    """The latest ones, and one more when there are more than are shown."""
    rows = schedule.fires.select_related("task").only(*_FIRE_COLUMNS)
    return list(rows.order_by("-id")[: MOST_FIRES + 1])
