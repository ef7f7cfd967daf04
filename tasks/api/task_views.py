"""Tasks: list, create, read, edit and their history."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.transaction import atomic
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.api.idempotent import IdempotentPost
from personalq.lib.constraints import conflicts
from personalq.lib.errors import Conflict
from personalq.lib.openapi import conflict, refusal
from personalq.lib.pagination import PageParameters
from tasks import access, lifecycle
from tasks.api import documents, looking_ahead, references
from tasks.api.base import READ_LIMIT, ApiView, ObjectView, created, read_body
from tasks.api.event_pages import page_of_events
from tasks.api.filters import EventQuery, TaskQuery, tasks_listed
from tasks.api.forms import TaskChanges, TaskForm
from tasks.api.representations import attempt_row, task_in_full, task_row, task_rows, waiting_of
from tasks.api.submissions import submission_of
from tasks.attempt_history import MOST_ATTEMPTS, attempts_of
from tasks.criteria import bounded_search
from tasks.models import Task
from tasks.models.task import Source
from tasks.states import WORDS

_LOCATION = OpenApiParameter(
    "Location", str, OpenApiParameter.HEADER, response=[201], description="The address of the new object."
)
_STATUSES = OpenApiParameter(
    "status", enum=WORDS, many=True, style="form", explode=False, description="One or more, with commas between them."
)
NOT_CREATED_ANYWAY = {
    **refusal(402, "`budget_exhausted`: a month's or total budget of the agent has nothing left."),
    **refusal(422, "`untrusted_text_refused`: the agent's policy lets no suspicious text from outside in."),
}
_NOT_CREATED = conflict(
    "`concurrency_key_taken`: the policy is `drop_newer`, and another task with the key has not ended. "
    "`concurrency_key_busy`: other requests with the key take long. "
    "`too_many_to_cancel`: `cancel_older` would cancel more than 200. "
    "`conflict`: the agent or queue was deleted at this moment."
)


class TaskView(ApiView):
    """What all routes about tasks share."""

    scope: ClassVar[str] = "tasks"

    @property
    def source(self) -> str:
        """The door by which new tasks come in: REST, or another one that uses its views."""
        return getattr(self.request._request, "task_source", Source.API)

    def answer(self, task: Task) -> dict[str, Any]:
        """The task in full, as far as the one who asks may see it."""
        is_for_operator = access.is_operator_for(self.user, Task, "view")
        return task_in_full(task, self.request, is_for_operator=is_for_operator)


class OneTaskView(TaskView, ObjectView[Task]):
    """What all routes about one task share."""

    def fetch(self, uuid: UUID, deed: access.Deed) -> Task:
        return access.task_for(self.user, uuid, deed)

    def answer_anew(self, task: Task) -> Response:
        """The task as the database has it now."""
        return Response(self.answer(access.task_for(self.user, task.uuid)))


class MakesTasks(IdempotentPost, TaskView):
    """What the routes share that make tasks."""

    def look_ahead(self, request: Request) -> None:
        """Long texts from outside are looked at while nothing is held; what is found is remembered for a moment."""
        looking_ahead.look_at_texts(self.user, request._request.body)


class TaskList(MakesTasks):
    """Your tasks."""

    query_class = TaskQuery
    rate_limits = {
        "GET": READ_LIMIT,
        "HEAD": READ_LIMIT,
        "POST": ("task-create", "PERSONALQ_RATE_TASK_CREATE"),
    }

    @extend_schema(
        operation_id="list_tasks",
        summary="List tasks",
        description="Newest first. Long prompts are cut; result and input are left out.",
        tags=["tasks"],
        parameters=[TaskQuery, PageParameters, _STATUSES],
        responses={200: documents.TaskPage},
    )
    def get(self, request: Request) -> Response:
        with bounded_search(self.query.get("search")):
            return self.page(task_rows(tasks_listed(self.user, self.query)), task_row(request))

    @extend_schema(
        operation_id="create_task",
        summary="Create a task",
        description="The task is ready to run at once unless it is backlogged or not yet due.",
        tags=["tasks"],
        request=TaskForm,
        parameters=[_LOCATION],
        responses={201: documents.Task, **NOT_CREATED_ANYWAY, **_NOT_CREATED},
    )
    def post(self, request: Request) -> Response:
        body = read_body(TaskForm, request)
        agent = references.agent_to_use(self.user, body["agent"])
        queue = references.queue_to_use(self.user, body["queue"]) if "queue" in body else None
        gone = Conflict("The agent or the queue was deleted at this moment. Choose another one.")
        with conflicts(gone=gone), atomic():
            wanted = submission_of(self.user, body, agent=agent, queue=queue)
            (task,) = lifecycle.submit_many(actor=self.user, submissions=[wanted], source=self.source)
        return created(self.answer(task))


class OneTask(OneTaskView):
    """One task."""

    rate_limits: ClassVar = {
        "GET": READ_LIMIT,
        "HEAD": READ_LIMIT,
        "PATCH": ("task-change", "PERSONALQ_RATE_TASK_CHANGE"),
    }

    @extend_schema(
        operation_id="get_task",
        summary="Read a task",
        description="`waiting` tells why a ready task does not run yet.",
        tags=["tasks"],
        responses={200: documents.Task},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        task = self.find("view")
        return Response({**self.answer(task), "waiting": waiting_of(task)})

    @extend_schema(
        operation_id="edit_task",
        summary="Change title, order, prompt or queue",
        description="All changes of one request or none.",
        tags=["tasks"],
        request=TaskChanges,
        responses={
            200: documents.Task,
            **conflict("`illegal_transition`: the task is running or archived; or the queue was deleted meanwhile."),
        },
    )
    def patch(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        task = self.find("change")
        changes = read_body(TaskChanges, request)
        name = changes.pop("queue", None)
        queue = None if name is None else references.queue_to_use(task.owner or self.user, name)
        with conflicts(gone=Conflict("The queue was deleted at this moment. Choose another one.")), atomic():
            if changes:
                lifecycle.edit(actor=self.user, task=task, **changes)
            if queue is not None:
                lifecycle.move(actor=self.user, task=task, queue=queue)
        return self.answer_anew(task)


class TaskEvents(OneTaskView):
    """A task's history."""

    query_class = EventQuery

    @extend_schema(
        operation_id="list_task_events",
        summary="List a task's events",
        description="Oldest first. To follow a task, ask again with `after` set to the last id you saw.",
        tags=["tasks"],
        parameters=[EventQuery],
        responses={200: documents.EventPage},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        task = self.find("view")
        address = reverse("api-task-events", args=[task.uuid], request=request)
        return page_of_events(self.query, address, task_ids=[task.pk])


class TaskAttempts(OneTaskView):
    """What became of each attempt of a task."""

    @extend_schema(
        operation_id="list_task_attempts",
        summary="List a task's attempts",
        description=f"The latest first, at most {MOST_ATTEMPTS}.",
        tags=["tasks"],
        responses={200: documents.Attempts},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        task = self.find("view")
        found = [attempt_row(task, request)(attempt) for attempt in attempts_of(task)]
        return Response({"results": found, "total": task.attempts})
