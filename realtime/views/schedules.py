"""Schedules: the list, making, changing and deleting them, and the times of one that is being typed."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.models import User
from personalq.lib.errors import AppError, InvalidInput
from personalq.lib.translation import app_error_from
from realtime.forms.schedules import ScheduleForm, TimingForm, initial_of
from realtime.views import live
from realtime.views.answers import Limit, limit_person, posted, show_form
from realtime.views.doors import page, person
from realtime.views.paging import page_of
from realtime.views.queries import NeighbourQuery, NewScheduleQuery, NothingAsked
from realtime.views.task_rows import query_string
from tasks import access, schedules
from tasks.models import Schedule
from tasks.timing import zone_names

PAGE_SIZE: Final = 25
SHOWN_TIMES: Final = 5
WRITE_LIMIT: Final = Limit(group="agent-change", rate="PERSONALQ_RATE_AGENT_CHANGE")
# Asked for while somebody types.
_PREVIEW_LIMIT: Final = Limit(group="read", rate="PERSONALQ_RATE_READ")


@page("GET")
def show_list(request: HttpRequest) -> HttpResponse:
    """A page of the user's schedules, newest first."""
    last_event_id = live.last_event_id(person(request))
    return render(request, "pages/schedule_list.html", {**_listed(request), "last_event_id": last_event_id})


@page("GET")
def rows(request: HttpRequest) -> HttpResponse:
    """The same schedules without the page around them."""
    return render(request, "pages/_schedule_rows.html", _listed(request))


@page("GET", "POST")
def new(request: HttpRequest) -> HttpResponse:
    """The form of a new schedule; `?agent=` chooses one beforehand."""
    user, wanted = person(request), NewScheduleQuery.read(request)
    form = ScheduleForm(user, posted(request), initial={"agent": _chosen(user, wanted.get("agent"))})
    made = _create(request, form) if request.method == "POST" else None
    if isinstance(made, Schedule):
        messages.success(request, f"The schedule {made.name} is made.")
        return redirect("schedule", uuid=made.uuid)
    has_agents = access.agents_of(user).exists()
    context = {"section": "schedules", "form": form, "zones": zone_names(), "has_agents": has_agents}
    return show_form(request, "pages/schedule_form.html", context, refusal=made)


@page("GET", "POST")
def edit(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The form of one schedule."""
    NothingAsked.read(request)
    schedule = access.schedule_for(person(request), uuid, "change")
    form = ScheduleForm(schedule.owner, posted(request), initial=initial_of(schedule), schedule=schedule)
    refusal = _change(request, form, schedule) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, f"The schedule {form.cleaned_data['name']} is saved.")
        return redirect("schedule", uuid=uuid)
    context = {"section": "schedules", "form": form, "zones": zone_names(), "has_agents": True, "schedule": schedule}
    return show_form(request, "pages/schedule_form.html", context, refusal=refusal)


@page("POST")
def preview(request: HttpRequest) -> HttpResponse:
    """The next times of what is being typed, or what is wrong with it, as a part of a page."""
    limit_person(request, _PREVIEW_LIMIT)
    form = TimingForm(request.POST)
    context = {"moments": _times_of(form), "zone": form.data.get("zone", ""), "form": form}
    return render(request, "pages/_schedule_preview.html", context)


@page("GET", "POST")
def delete(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Asks whether that is meant, then deletes."""
    NothingAsked.read(request)
    schedule = access.schedule_for(person(request), uuid, "change")
    refusal = _delete(request, schedule) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, f"The schedule {schedule.name} is deleted. Its name is free again.")
        return redirect("schedule-list")
    context = {"section": "schedules", "schedule": schedule, "refusal": refusal}
    return show_form(request, "pages/schedule_delete.html", context, refusal=refusal)


def _listed(request: HttpRequest) -> dict[str, Any]:
    user, wanted = person(request), NeighbourQuery.read(request)
    own = access.schedules_of(user)
    shown = own.select_related("agent").defer("prompt", "input")
    found = page_of(shown, among=own, size=PAGE_SIZE, before=wanted.get("before"), after=wanted.get("after"))
    return {"section": "schedules", "page": found, "query": query_string(wanted)}


def _chosen(user: User, uuid: UUID | None) -> UUID | None:
    return None if uuid is None else access.agent_for(user, uuid).uuid


def _times_of(form: TimingForm) -> list[datetime]:
    """None when something is wrong, which the form then tells."""
    try:
        return schedules.preview(**form.timing_values, count=SHOWN_TIMES) if form.is_valid() else []
    except AppError as error:
        form.take(error)
        return []


def _create(request: HttpRequest, form: ScheduleForm) -> Schedule | AppError:
    try:
        _check(request, form)
        return schedules.create(actor=person(request), **form.values)
    except (AppError, ValidationError) as error:
        return _refuse(form, error)


def _change(request: HttpRequest, form: ScheduleForm, schedule: Schedule) -> AppError | None:
    try:
        _check(request, form)
        if form.changes:
            schedules.change(actor=person(request), schedule=schedule, **form.changes)
    except (AppError, ValidationError) as error:
        return _refuse(form, error)
    return None


def _delete(request: HttpRequest, schedule: Schedule) -> AppError | None:
    try:
        limit_person(request, WRITE_LIMIT)
        schedules.delete(actor=person(request), schedule=schedule)
    except AppError as refusal:
        return refusal
    return None


def _check(request: HttpRequest, form: ScheduleForm) -> None:
    limit_person(request, WRITE_LIMIT)
    if not form.is_valid():
        raise InvalidInput


def _refuse(form: ScheduleForm, error: Exception) -> AppError:
    refusal = app_error_from(error) or AppError()
    # What the form itself found stands at its fields already.
    if refusal.errors or not isinstance(refusal, InvalidInput):
        form.take(refusal)
    return refusal
