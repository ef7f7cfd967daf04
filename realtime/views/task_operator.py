"""The operators' switch that gives tasks without an agent to the default agent."""

from typing import Any, Final

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.models import User
from personalq.lib.errors import AppError
from realtime.forms.task_operator import TaskOperatorForm
from realtime.views import live
from realtime.views.answers import Limit, limit_person, posted, show_form, wrong_values
from realtime.views.doors import page, person
from realtime.views.queries import NothingAsked
from realtime.views.task_rows import without_texts
from tasks import access, task_operator
from tasks.models import Task
from tasks.task_operator import TaskOperator

SHOWN: Final = 8
# The group of the API's: whoever has used up other changes must still be able to turn it off.
_LIMIT: Final = Limit(group="task-operator", rate="PERSONALQ_RATE_QUEUE_CHANGE")


@page("GET", "POST")
def show(request: HttpRequest) -> HttpResponse:
    """How it stands, and the form that turns it on or changes it."""
    NothingAsked.read(request)
    user = person(request)
    access.require_task_operator(user)
    last_event_id = live.last_event_id(user)
    now = task_operator.read()
    form = TaskOperatorForm(user, posted(request), is_on=now.is_on, initial=_initial(now))
    refusal = _turn_on(request, form) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, "The task operator is on.")
        return redirect("task-operator")
    context = {"section": "task-operator", "form": form, "last_event_id": last_event_id, **_state(user, now)}
    return show_form(request, "pages/task_operator.html", context, refusal=refusal)


@page("POST")
def turn_off(request: HttpRequest) -> HttpResponse:
    """Hand nothing out any more."""
    user = _let_in(request)
    task_operator.turn_off(actor=user)
    messages.success(request, "The task operator is off. What runs goes on to its end.")
    return redirect("task-operator")


@page("POST")
def clear(request: HttpRequest) -> HttpResponse:
    """Free it from the task that holds it."""
    user = _let_in(request)
    try:
        is_cleared = task_operator.clear(actor=user)
    except AppError as refusal:
        messages.error(request, f"{refusal.title} {refusal.detail}")
    else:
        done = "The task waits a minute behind the others." if is_cleared else "No task held the task operator."
        messages.success(request, done)
    return redirect("task-operator")


def _let_in(request: HttpRequest) -> User:
    access.require_task_operator(person(request))
    limit_person(request, _LIMIT)
    return person(request)


def _turn_on(request: HttpRequest, form: TaskOperatorForm) -> AppError | None:
    try:
        limit_person(request, _LIMIT)
        if not form.is_valid():
            return wrong_values(form)
        agent = form.cleaned_data["agent"]
        task_operator.turn_on(
            actor=person(request),
            agent=agent,
            queue=form.cleaned_data["queue"] or agent.queue,
            trusts_prompts=form.cleaned_data["trusts_prompts"],
        )
    except AppError as refusal:
        form.take(refusal)
        return refusal
    return None


def _initial(now: TaskOperator) -> dict[str, Any]:
    return {
        "agent": now.agent.uuid if now.agent else None,
        "queue": now.queue.uuid if now.queue else None,
        "trusts_prompts": now.trusts_prompts,
    }


def _state(user: User, now: TaskOperator) -> dict[str, Any]:
    return {
        "operator": now,
        "queue": now.queue or (now.agent.queue if now.agent else None),
        "hold": task_operator.hold_of(now.holder) if now.holder else None,
        "following": without_texts(_seen(user).unassigned().order_by("order", "id"))[:SHOWN],
        "latest": _latest(user, now)[:SHOWN],
    }


def _seen(user: User) -> Any:
    """What the operator may see of everybody's tasks."""
    may_see = access.is_operator_for(user, Task, "view")
    return access.everybodys_tasks(user) if may_see else access.tasks_of(user).none()


def _latest(user: User, now: TaskOperator) -> QuerySet[Task]:
    # By the agent's index: those of all agents would be looked for among everybody's tasks.
    handed_out = _seen(user).filter(agent=now.agent, agent__isnull=False, handed_out_at__isnull=False)
    return without_texts(handed_out.order_by("-id"))
