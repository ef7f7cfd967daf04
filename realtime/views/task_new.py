"""Queueing a prompt."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from accounts.models import User
from accounts.refusals import not_yours
from personalq.lib.constraints import conflicts
from personalq.lib.errors import AppError, Conflict, InvalidInput
from realtime.forms.tasks import TaskForm
from realtime.views.answers import Limit, carry_out_once, limit_person, show_form
from realtime.views.doors import page, person
from realtime.views.queries import NewTaskQuery
from realtime.views.task_rows import query_string
from tasks import access, conversations, lifecycle, untrusted
from tasks.models import PROMPT_LENGTH, Agent, Conversation, Task
from tasks.models.task import Source

_LIMIT: Final = Limit(group="task-create", rate="PERSONALQ_RATE_TASK_CREATE")


@dataclass(frozen=True, kw_only=True)
class Thread:
    """What a new task goes on from: a conversation, or a task with which one begins."""

    agent: Agent
    conversation: Conversation | None = None
    task: Task | None = None
    query: str = ""

    def join(self) -> Conversation | None:
        """The conversation of the new task. Raises InvalidInput."""
        if self.task is not None:
            return conversations.continue_task(task=self.task, agent=self.agent)
        return self.conversation


@page("GET", "POST")
def new(request: HttpRequest) -> HttpResponse:
    """The form; `?agent=` chooses one beforehand, `?task=` and `?conversation=` go on with what was said there.

    What was typed survives every refusal.
    """
    user = person(request)
    wanted = NewTaskQuery.read(request)
    thread = _thread(user, wanted)
    if request.method == "POST":
        return _queue(request, user, thread)
    chosen = thread.agent.uuid if thread else _chosen(user, wanted.get("agent"))
    return _show(request, _form(user, thread, initial={"agent": chosen}), thread)


def _thread(user: User, wanted: dict[str, Any]) -> Thread | None:
    """What the new task goes on from, if anything. Raises NotFound, NotYours and InvalidInput."""
    if "conversation" in wanted:
        conversation = access.conversation_for(user, wanted["conversation"], "change")
        return Thread(agent=_usable(user, conversation.agent), conversation=conversation, query=query_string(wanted))
    if "task" in wanted:
        task = access.task_for(user, wanted["task"], "change")
        return Thread(agent=_usable(user, task.agent), task=task, query=query_string(wanted))
    return None


def _usable(user: User, agent: Agent | None) -> Agent:
    if agent is not None and agent.owner_id != user.pk:
        raise not_yours(user, agent)
    if agent is None or agent.deleted_at is not None:
        raise InvalidInput("The agent is deleted, so nobody can go on with this. Queue the prompt for another agent.")
    return agent


def _form(user: User, thread: Thread | None, *args: Any, **options: Any) -> TaskForm:
    return TaskForm(user, *args, agent=thread.agent if thread else None, **options)


def _queue(request: HttpRequest, user: User, thread: Thread | None) -> HttpResponse:
    form = _form(user, thread, request.POST)
    try:
        limit_person(request, _LIMIT)
        if not form.is_valid():
            return _show(request, form, thread, refusal=InvalidInput())
        work = partial(_submit, user, thread, form.cleaned_data)
        path = reverse("task-new") + (thread.query if thread else "")
        return redirect(carry_out_once(user=user, form=form, path=path, work=work))
    except AppError as refusal:
        form.take(refusal)
        return _show(request, form, thread, refusal=refusal)


def _submit(user: User, thread: Thread | None, values: dict[str, Any]) -> str:
    """The address of the new task."""
    order = values.pop("order")
    conversation = thread.join() if thread else None
    gone = Conflict("The agent was deleted at this moment. Choose another one.")
    with conflicts(gone=gone):
        task = lifecycle.submit(actor=user, source=Source.WEB, order=order or 0, conversation=conversation, **values)
    return reverse("task", args=[task.uuid])


def _chosen(user: User, uuid: UUID | None) -> UUID | None:
    """The agent to begin with: the one asked for, or the only one there is."""
    if uuid is not None:
        return access.agent_for(user, uuid).uuid
    first_two = access.agents_of(user).values_list("uuid", flat=True)[:2]
    return first_two[0] if len(first_two) == 1 else None


def _show(
    request: HttpRequest, form: TaskForm, thread: Thread | None, *, refusal: AppError | None = None
) -> HttpResponse:
    context = {
        "section": "new",
        "form": form,
        "thread": thread,
        "has_agents": thread is not None or access.agents_of(person(request)).exists(),
        "most_characters": PROMPT_LENGTH,
        "findings": _findings(form, refusal),
        "is_exhausted": refusal is not None and refusal.code == "budget_exhausted",
    }
    return show_form(request, "pages/task_new.html", context, refusal=refusal)


def _findings(form: TaskForm, refusal: AppError | None) -> list[untrusted.Reason]:
    """What makes a text from outside suspicious, when it was refused for that."""
    is_refused_for_it = isinstance(refusal, lifecycle.UntrustedTextRefused)
    return [*untrusted.assess(form.cleaned_data["untrusted_text"]).reasons] if is_refused_for_it else []
