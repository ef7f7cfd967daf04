"""Agents: the list, making, changing and deleting them."""

from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.forms import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from rest_framework.exceptions import ValidationError as ApiValidationError

from accounts.models import Provider
from personalq.lib.errors import AppError, InvalidInput
from personalq.lib.translation import app_error_from
from realtime.forms.agents import AgentForm, allowed_commands
from realtime.views.agent_loads import with_loads
from realtime.views.answers import Limit, limit_person, posted, show_form
from realtime.views.doors import page, person
from realtime.views.paging import page_of
from realtime.views.queries import NeighbourQuery, NewAgentQuery, NothingAsked
from tasks import access, agents
from tasks.models import Agent, Queue
from tasks.runners import RUNNERS
from tasks.states import UNFINISHED

PAGE_SIZE: Final = 24
DESCRIPTIONS: Final = {
    "echo": "Says the prompt back, word by word. Needs no key: good for a first try.",
    "anthropic": "Asks Claude, with an API key of Anthropic.",
    "openai": "Asks a model of OpenAI, or one on a server that speaks its language, such as Ollama or vLLM.",
    "http": "Hands the work to a coding runner elsewhere, or sends one HTTP request for each attempt.",
    "command": "Runs a program that the operator allows, such as a coding tool, with the prompt as its input.",
    "external": "Waits until an agent of yours elsewhere takes its tasks, over MCP, REST or personalq-cli.",
}
WRITE_LIMIT: Final = Limit(group="agent-change", rate="PERSONALQ_RATE_AGENT_CHANGE")


@page("GET")
def show_list(request: HttpRequest) -> HttpResponse:
    """A page of the user's agents, each with its load."""
    user = person(request)
    wanted = NeighbourQuery.read(request)
    own = access.agents_of(user).select_related("queue")
    found = page_of(own, among=own, size=PAGE_SIZE, before=wanted.get("before"), after=wanted.get("after"))
    context = {"section": "agents", "page": found, "loads": with_loads(user, found.rows)}
    return render(request, "pages/agent_list.html", context)


@page("GET", "POST")
def new(request: HttpRequest) -> HttpResponse:
    """First the kind, then the form for it."""
    kind = NewAgentQuery.read(request).get("kind")
    if kind is None:
        kinds = [{"kind": one, "label": RUNNERS[one].label, "words": DESCRIPTIONS.get(one, "")} for one in RUNNERS]
        return render(request, "pages/agent_kinds.html", {"section": "agents", "kinds": kinds})
    initial = {"queue": Queue.objects.shared_default().uuid}
    return _answer(request, AgentForm(kind, person(request), posted(request), initial=initial), kind)


@page("GET", "POST")
def edit(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The form of one agent."""
    NothingAsked.read(request)
    agent = access.agent_for(person(request), uuid, "change" if request.method == "POST" else "view")
    is_owner = agent.owner_id == person(request).pk
    form = AgentForm(agent.kind, agent.owner, posted(request), initial=_initial(agent), agent=agent, is_owner=is_owner)
    return _answer(request, form, agent.kind, agent)


@page("GET", "POST")
def delete(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Asks whether that is meant, then deletes."""
    NothingAsked.read(request)
    agent = access.agent_for(person(request), uuid, "change")
    refusal = _delete(request, agent) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, f"The agent {agent.name} is deleted. Its name is free again.")
        return redirect("agent-list")
    unfinished = agent.tasks.filter(status__in=UNFINISHED).count()
    context = {"section": "agents", "agent": agent, "unfinished": unfinished, "refusal": refusal}
    return show_form(request, "pages/agent_delete.html", context, refusal=refusal)


def _delete(request: HttpRequest, agent: Agent) -> AppError | None:
    try:
        limit_person(request, WRITE_LIMIT)
        agents.delete(actor=person(request), agent=agent)
    except AppError as refusal:
        return refusal
    return None


def _initial(agent: Agent) -> dict[str, Any]:
    named = {"queue": agent.queue.uuid, "credential": agent.credential.uuid if agent.credential else None}
    return {**agent.config, **model_to_dict(agent, AgentForm.COMMON), **named}


def _answer(request: HttpRequest, form: AgentForm, kind: str, agent: Agent | None = None) -> HttpResponse:
    """The form as it is or, once it is sent and good, the agent made or changed."""
    refusal = _save(request, form, kind, agent) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, f"The agent {form.cleaned_data['name']} is {'saved' if agent else 'made'}.")
        return redirect("agent-list")
    context = {
        "section": "agents",
        "form": form,
        "agent": agent,
        "kind": RUNNERS[kind].label if kind in RUNNERS else kind,
        "lacks_commands": kind == "command" and not allowed_commands(),
        "lacks_addresses": "base_url" in form.fields and not settings.PERSONALQ_MODEL_BASE_URLS,
        "fitting": [Provider(each) for each in form.providers],
        "is_owner": agent is None or agent.owner_id == person(request).pk,
        "may_change": agent is None or access.is_owner_or_operator(person(request), agent, "change"),
    }
    return show_form(request, "pages/agent_form.html", context, refusal=refusal)


def _save(request: HttpRequest, form: AgentForm, kind: str, agent: Agent | None) -> AppError | None:
    try:
        limit_person(request, WRITE_LIMIT)
        if not form.is_valid():
            return InvalidInput()
        values = {**form.common_values, "config": form.config}
        if agent is None:
            agents.create(actor=person(request), kind=kind, **values)
        else:
            agents.change(actor=person(request), agent=agent, **values)
    except (AppError, ApiValidationError, ValidationError) as error:
        refusal = app_error_from(error) or AppError()
        form.take(refusal)
        return refusal
    return None
