"""What can be asked of a schedule: pause, resume, run now."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.idempotent import IdempotentPost
from personalq.lib.fields import NoBody
from personalq.lib.negotiation import JsonWithoutType
from personalq.lib.openapi import conflict
from tasks import access, schedules
from tasks.api import documents as task_documents
from tasks.api import schedule_documents as documents
from tasks.api.base import created, read_body
from tasks.api.representations import task_in_full
from tasks.api.schedule_rows import schedule_in_full
from tasks.api.schedule_views import WRITE_LIMIT, OneScheduleView
from tasks.api.task_views import NOT_CREATED_ANYWAY
from tasks.models import Schedule, Task


class ScheduleVerb(OneScheduleView):
    """A POST to a schedule; its body may be left out. Repeating it changes nothing."""

    content_negotiation_class = JsonWithoutType
    rate_limits: ClassVar = {"POST": WRITE_LIMIT}

    def act(self, schedule: Schedule) -> Schedule:
        """Do it."""
        raise NotImplementedError

    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        schedule = self.find("change")
        read_body(NoBody, request)
        return Response(schedule_in_full(self.act(schedule), request))


def _describe(operation_id: str, summary: str) -> Any:
    def decorate(view: type[ScheduleVerb]) -> Any:
        operation = extend_schema(
            operation_id=operation_id,
            summary=summary,
            description=f"{view.__doc__} Repeating it changes nothing.",
            tags=["schedules"],
            request=None,
            responses={200: documents.Schedule},
        )
        return extend_schema_view(post=operation)(view)

    return decorate


@_describe("pause_schedule", "Let a schedule bring in no more tasks")
class PauseSchedule(ScheduleVerb):
    """Its tasks go on, and it can be run by hand."""

    def act(self, schedule: Schedule) -> Schedule:
        return schedules.pause(actor=self.user, schedule=schedule)


@_describe("resume_schedule", "Go on with a paused schedule")
class ResumeSchedule(ScheduleVerb):
    """Times that went by meanwhile are not made up for."""

    def act(self, schedule: Schedule) -> Schedule:
        return schedules.resume(actor=self.user, schedule=schedule)


class RunSchedule(IdempotentPost, OneScheduleView):
    """Running a schedule by hand."""

    content_negotiation_class = JsonWithoutType
    rate_limits: ClassVar = {"POST": ("task-create", "PERSONALQ_RATE_TASK_CREATE")}

    @extend_schema(
        operation_id="run_schedule",
        summary="Bring in a task of a schedule now",
        description="When it is due does not change by that. Also a paused one can be run.",
        tags=["schedules"],
        request=None,
        responses={
            201: task_documents.Task,
            **NOT_CREATED_ANYWAY,
            **conflict("`schedule_busy`: a task of it is unfinished, and its overlap policy is `skip`."),
        },
    )
    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        schedule = self.find("change")
        read_body(NoBody, request)
        task = schedules.run(actor=self.user, schedule=schedule)
        is_for_operator = access.is_operator_for(self.user, Task, "view")
        return created(task_in_full(task, request, is_for_operator=is_for_operator))
