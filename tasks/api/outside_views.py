"""What workers outside ask for: the next task, and to bring back what became of it."""

from typing import Any, ClassVar, Final
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from personalq.lib.negotiation import JsonWithoutType
from personalq.lib.openapi import conflict, no_content
from tasks import access, outside_work
from tasks.api import documents, references
from tasks.api.base import read_body
from tasks.api.outside_forms import Completion, Failing, NextTask, Progress
from tasks.api.task_views import OneTaskView, TaskView
from tasks.models import Task

_LIMIT: Final = ("task-change", "PERSONALQ_RATE_TASK_CHANGE")
_WORK: Final = {"POST": "tasks:work"}


class TaskInHand(TaskView):
    """What all routes of outside workers share."""

    scopes: ClassVar = _WORK
    rate_limits: ClassVar = {"POST": _LIMIT}

    def answer_in_hand(self, task: Task) -> Response:
        """The task as it is now, with the attempt and until when its claim holds."""
        current = access.task_for(self.user, task.uuid)
        lease = {"attempt": current.attempts, "lease_expires_at": current.lease_expires_at}
        return Response({**self.answer(current), **lease})


class NextTaskView(TaskInHand):
    """The next task of your agents of the kind `external`."""

    content_negotiation_class = JsonWithoutType

    @extend_schema(
        operation_id="take_next_task",
        summary="Take the next task for an outside worker",
        description=(
            "Claims a task of your agents of the kind `external`, within every limit. Whoever takes it reports "
            "progress before `lease_expires_at`, and completes or fails it at the end, each time with its `attempt`."
        ),
        tags=["tasks"],
        request=NextTask,
        responses={200: documents.TaskInHand, **no_content("No task may start now.")},
    )
    def post(self, request: Request) -> Response:
        body = read_body(NextTask, request)
        agent = references.agent_to_use(self.user, body.pop("agent")) if "agent" in body else None
        queue = references.queue_to_use(self.user, body.pop("queue")) if "queue" in body else None
        worker = body.pop("worker", "") or self.user.get_username()
        task = outside_work.take_next(actor=self.user, worker=worker, agent=agent, queue=queue, **body)
        return Response(status=204) if task is None else self.answer_in_hand(task)


class ReportView(TaskInHand, OneTaskView):
    """What all reports about a task share."""

    form_class: ClassVar[Any]

    def act(self, task: Task, body: dict[str, Any]) -> Task:
        """Do it; raises ClaimOver when the attempt is not the task's present one."""
        raise NotImplementedError

    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        task = self.find("change")
        return self.answer_in_hand(self.act(task, read_body(self.form_class, request)))


_OVER: Final = conflict("`claim_over`: the attempt has ended, or no outside worker carries the task out.")


class ReportProgress(ReportView):
    """Shows that somebody is at work, and what."""

    form_class = Progress

    @extend_schema(
        operation_id="report_progress",
        summary="Renew the lease, and add to the output",
        tags=["tasks"],
        request=Progress,
        responses={200: documents.TaskInHand, **_OVER},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        return super().post(request, uuid)

    def act(self, task: Task, body: dict[str, Any]) -> Task:
        return outside_work.report_progress(actor=self.user, task=task, **body)


class CompleteTask(ReportView):
    """Ends an attempt well."""

    form_class = Completion

    @extend_schema(
        operation_id="complete_task",
        summary="Bring back a result",
        tags=["tasks"],
        request=Completion,
        responses={200: documents.TaskInHand, **_OVER},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        return super().post(request, uuid)

    def act(self, task: Task, body: dict[str, Any]) -> Task:
        return outside_work.complete(actor=self.user, task=task, **body)


class FailTask(ReportView):
    """Ends an attempt badly."""

    form_class = Failing

    @extend_schema(
        operation_id="fail_task",
        summary="Say that it could not be done",
        description="Tried again while the agent's `max_attempts` allows, unless it is `final`.",
        tags=["tasks"],
        request=Failing,
        responses={200: documents.TaskInHand, **_OVER},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        return super().post(request, uuid)

    def act(self, task: Task, body: dict[str, Any]) -> Task:
        return outside_work.fail(actor=self.user, task=task, is_final=body.pop("final", False), **body)
