"""The operators' switch that stops everything."""

from typing import Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from personalq.lib.errors import PermissionDenied
from realtime.forms.queues import StopForm
from realtime.views.answers import Limit, limit_person, wrong_values
from realtime.views.doors import page, person
from tasks import access, stop_switch
from tasks.api.stop_switch_views import STOP
from tasks.models import SystemSetting

# The group of the API's: whoever has used up other changes must still be able to stop everything.
_LIMIT: Final = Limit(group="stop-switch", rate="PERSONALQ_RATE_QUEUE_CHANGE")


@page("POST")
def turn_on(request: HttpRequest) -> HttpResponse:
    """Start nothing any more, for nobody."""
    _let_in(request)
    form = StopForm(request.POST)
    if not form.is_valid():
        raise wrong_values(form)
    stop_switch.turn_on(
        actor=person(request),
        reason=form.cleaned_data["reason"].strip(),
        stops_running=form.cleaned_data["running"] == STOP,
    )
    return redirect("overview")


@page("POST")
def turn_off(request: HttpRequest) -> HttpResponse:
    """Go on."""
    _let_in(request)
    stop_switch.turn_off(actor=person(request))
    messages.success(request, "The stop switch is off. Tasks start again.")
    return redirect("overview")


def _let_in(request: HttpRequest) -> None:
    if not access.is_operator_for(person(request), SystemSetting, "change"):
        raise PermissionDenied("Only operators may turn the stop switch. Pause your own agents or queues instead.")
    limit_person(request, _LIMIT)
