"""Pausing an agent, going on with it, and ending a hold early."""

from typing import Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from realtime.views.agents import WRITE_LIMIT
from realtime.views.answers import lead_back, limit_person
from realtime.views.doors import page, person
from tasks import access, agents

VERBS: Final = {"pause": agents.pause, "resume": agents.resume, "end-hold": agents.end_hold}
_DONE: Final = {
    "pause": "is paused. Tasks that run go on.",
    "resume": "goes on.",
    "end-hold": "goes on. If the limit still stands, its next task meets it and the agent is held again.",
}


@page("POST")
def act(request: HttpRequest, uuid: UUID, verb: str) -> HttpResponse:
    """Do it; the form leads back to the list or to the agent, whichever it stood on."""
    user = person(request)
    limit_person(request, WRITE_LIMIT)
    agent = VERBS[verb](actor=user, agent=access.agent_for(user, uuid, "change"))
    messages.success(request, f"The agent {agent.name} {_DONE[verb]}")
    return redirect(lead_back(request, list_route="agent-list", route="agent", uuid=uuid))
