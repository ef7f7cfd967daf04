"""Many tasks in one request."""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from django.db.models import prefetch_related_objects
from django.db.transaction import atomic
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from personalq.lib.constraints import conflicts
from personalq.lib.errors import Conflict, FieldError, InvalidInput
from personalq.lib.fields import StrictListField, StrictSerializer
from personalq.lib.openapi import conflict
from personalq.lib.translation import MAX_REPORTED_ERRORS
from tasks import access, lifecycle
from tasks.api import documents
from tasks.api.base import read_body
from tasks.api.forms import TaskForm
from tasks.api.references import NO_AGENT, NO_QUEUE
from tasks.api.submissions import submission_of
from tasks.api.task_views import NOT_CREATED_ANYWAY, MakesTasks
from tasks.lifecycle import Submission

MOST_TASKS: Final = 500
MOST_OUTSIDE_TEXT: Final = 400_000
"""Characters. All of it is looked at before the answer, which takes up to some seconds."""
_GONE: Final = "An agent or a queue was deleted at this moment. Nothing was created; choose others."
_NOT_CREATED: Final = conflict(
    "`concurrency_key_taken`: the policy of one is `drop_newer`, and another task with its key has not ended. "
    "`concurrency_key_busy`: other requests with the key take long. "
    "`too_many_to_cancel`: `cancel_older` would cancel more than 200. "
    "`conflict`: an agent or a queue was deleted at this moment."
)
_Bodies = Sequence[Mapping[str, Any]]


class TaskBatchForm(StrictSerializer):
    """New tasks."""

    tasks = StrictListField(
        child=TaskForm(), min_length=1, max_length=MOST_TASKS, help_text="Created in this order, all or none."
    )

    def validate_tasks(self, tasks: _Bodies) -> _Bodies:
        if sum(map(_outside_length, tasks)) > MOST_OUTSIDE_TEXT:
            message = f"Send at most {MOST_OUTSIDE_TEXT} characters of text from outside together; make more batches."
            raise ValidationError(message, code="max_length")
        return tasks


def _outside_length(body: Mapping[str, Any]) -> int:
    return len(body.get("untrusted_text", "")) + (0 if body.get("trusted", True) else len(body["prompt"]))


class CreatedTasks(serializers.Serializer[Any]):
    """The new tasks, in the order in which they were sent."""

    tasks = documents.Task(many=True)


class TaskBatch(MakesTasks):
    """Creates many tasks at once."""

    rate_limits: ClassVar = {"POST": ("task-batch", "PERSONALQ_RATE_TASK_BATCH")}

    @extend_schema(
        operation_id="create_tasks",
        summary="Create many tasks",
        description="All of them or none. An error names the place, such as `tasks[3].prompt`; the first is 0.",
        tags=["tasks"],
        request=TaskBatchForm,
        responses={201: CreatedTasks, **NOT_CREATED_ANYWAY, **_NOT_CREATED},
    )
    def post(self, request: Request) -> Response:
        bodies = read_body(TaskBatchForm, request)["tasks"]
        with conflicts(gone=Conflict(_GONE)), atomic():
            submissions = _submissions(self.user, bodies)
            tasks = lifecycle.submit_many(actor=self.user, submissions=submissions, source=self.source)
        # What the answers tell of them, in one query for each relation.
        prefetch_related_objects(tasks, "queue", "owner", "conversation")
        return Response({"tasks": [self.answer(task) for task in tasks]}, status=201)


def _submissions(user: User, bodies: _Bodies) -> list[Submission]:
    """What the bodies ask for. However often an agent or a queue is named, it is looked up once."""
    agents = access.agents_named(user, _names(bodies, "agent"))
    queues = access.queues_named(user, _names(bodies, "queue"))
    missing = [*_missing(bodies, "agent", agents, NO_AGENT), *_missing(bodies, "queue", queues, NO_QUEUE)]
    if missing:
        raise InvalidInput(errors=missing[:MAX_REPORTED_ERRORS])
    return [
        submission_of(user, body, agent=agents[body["agent"]], queue=queues[body["queue"]] if "queue" in body else None)
        for body in bodies
    ]


def _names(bodies: _Bodies, field: str) -> set[str]:
    return {body[field] for body in bodies if field in body}


def _missing(bodies: _Bodies, field: str, found: Container[str], message: str) -> Iterator[FieldError]:
    for index, body in enumerate(bodies):
        if field in body and body[field] not in found:
            yield FieldError(f"tasks[{index}].{field}", "not_found", message)
