"""The operators' switch that gives tasks without an agent to the default agent."""

from typing import Any, ClassVar, Final

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.models import User
from personalq.lib.fields import StrictBooleanField, StrictCharField, StrictSerializer
from personalq.lib.identifiers import as_uuid
from personalq.lib.negotiation import JsonWithoutType
from personalq.lib.openapi import conflict
from tasks import access, task_operator
from tasks.api import documents, references
from tasks.api.base import READ_LIMIT, ApiView, read_body
from tasks.models import Agent, Task
from tasks.names import NAME_LENGTH
from tasks.task_operator import TaskOperator

# A group of its own: whoever has used up the changes of queues must still be able to turn it off.
_WRITE_LIMIT: Final = ("task-operator", "PERSONALQ_RATE_QUEUE_CHANGE")
_TAGS: Final = ["task operator"]


class TaskOperatorForm(StrictSerializer):
    """Who carries the tasks out. What is not given stays as it was."""

    agent = StrictCharField(
        max_length=NAME_LENGTH,
        required=False,
        help_text="The default agent, an operator's: its id, or the name of an own one. Without it the one of before, "
        f"or your own agent with the name `{task_operator.AGENT_NAME}`.",
    )
    queue = StrictCharField(
        max_length=NAME_LENGTH,
        required=False,
        help_text="A shared queue or one of the agent's owner, by name or id. Without it the one of before; another "
        "agent comes with its own.",
    )
    trusts_prompts = StrictBooleanField(
        required=False,
        help_text="Whether prompts are instructions to the agent (so it is at first). Otherwise it gets them as text "
        "from outside.",
    )


class _TaskOperatorView(ApiView):
    """What both routes share."""

    scope: ClassVar[str] = "operator"
    content_negotiation_class = JsonWithoutType
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "POST": _WRITE_LIMIT, "DELETE": _WRITE_LIMIT}


class TaskOperatorView(_TaskOperatorView):
    """Whether tasks without an agent are handed out, to whom, and how that goes."""

    @extend_schema(
        operation_id="get_task_operator",
        summary="Read how the task operator stands",
        description="For operators.",
        tags=_TAGS,
        responses={200: documents.TaskOperator},
    )
    def get(self, request: Request) -> Response:
        access.require_task_operator(self.user)
        return Response(_represent(task_operator.read(), request))

    @extend_schema(
        operation_id="turn_task_operator_on",
        summary="Hand tasks without an agent out",
        description="For operators. One at a time, the one with the lowest `order` first. When it is on already, this "
        "changes its agent, queue or trust.",
        tags=_TAGS,
        request=TaskOperatorForm,
        responses={
            200: documents.TaskOperator,
            **conflict("`no_default_agent`: none is named, known, or yours by the usual name."),
        },
    )
    def post(self, request: Request) -> Response:
        access.require_task_operator(self.user)
        body = read_body(TaskOperatorForm, request)
        agent = _agent(self.user, body["agent"]) if "agent" in body else None
        queue = references.queue_to_list(self.user, body["queue"]) if "queue" in body else None
        turned = task_operator.turn_on(
            actor=self.user, agent=agent, queue=queue, trusts_prompts=body.get("trusts_prompts")
        )
        return Response(_represent(turned, request))

    @extend_schema(
        operation_id="turn_task_operator_off",
        summary="Hand nothing out any more",
        description="For operators. After the answer nothing that was handed out starts; what runs goes on. Repeating "
        "it changes nothing.",
        tags=_TAGS,
        responses={200: documents.TaskOperator},
    )
    def delete(self, request: Request) -> Response:
        return Response(_represent(task_operator.turn_off(actor=self.user), request))


class TaskOperatorLockView(_TaskOperatorView):
    """Which task holds the task operator."""

    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "DELETE": _WRITE_LIMIT}

    @extend_schema(
        operation_id="get_task_operator_lock",
        summary="Read which task holds the task operator",
        description="For operators. It is the one that runs or is next at the agent.",
        tags=_TAGS,
        responses={200: documents.TaskOperatorLock},
    )
    def get(self, request: Request) -> Response:
        access.require_task_operator(self.user)
        holder = task_operator.read().holder
        return Response({"is_held": holder is not None, "holder": _holder(holder, request)})

    @extend_schema(
        operation_id="clear_task_operator_lock",
        summary="Free the task operator from the task that holds it",
        description="For operators. Its attempt is stopped and does not count; the task waits a minute behind others.",
        tags=_TAGS,
        responses={
            200: documents.TaskOperatorFreed,
            **conflict("`work_handed_over`: an outside runner has the work. Cancel the task to go on without it."),
        },
    )
    def delete(self, request: Request) -> Response:  # noqa: ARG002 - a view's signature
        return Response({"is_cleared": task_operator.clear(actor=self.user)})


def _agent(user: User, name: str) -> Agent:
    """An own agent by name, or anybody's by id whom the operator may change."""
    uuid = as_uuid(name)
    with references.naming("agent", references.NO_AGENT):
        return access.agent_named(user, name) if uuid is None else access.agent_for(user, uuid, "change")


def _represent(operator: TaskOperator, request: Request) -> dict[str, Any]:
    queue = operator.queue or (operator.agent.queue if operator.agent else None)
    problem = operator.problem
    return {
        "is_on": operator.is_on,
        "at": operator.at,
        "by": operator.by or None,
        "agent": operator.agent.uuid if operator.agent else None,
        "agent_name": operator.agent.name if operator.agent else None,
        "queue": queue.name if queue else None,
        "trusts_prompts": operator.trusts_prompts,
        "problem": {"code": problem.code, "sentence": problem.sentence} if problem else None,
        "holder": _holder(operator.holder, request),
        "waiting": operator.waiting,
    }


def _holder(task: Task | None, request: Request) -> dict[str, Any] | None:
    if task is None:
        return None
    hold = task_operator.hold_of(task)
    return {
        "task": task.uuid,
        "status": task.state.word,
        "attempt": task.attempts,
        "worker": hold.worker or None,
        "since": hold.since,
        "url": reverse("api-task", args=[task.uuid], request=request),
    }
