"""Queues: list, create, read, change, delete, pause and resume."""

from dataclasses import asdict
from typing import ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.idempotent import IdempotentPost
from personalq.lib.fields import NoBody
from personalq.lib.negotiation import JsonWithoutType
from personalq.lib.openapi import conflict, no_content
from personalq.lib.pagination import PageParameters
from tasks import access, queues
from tasks.api import documents
from tasks.api.base import READ_LIMIT, ApiView, ObjectView, created, read_body
from tasks.api.filters import OwnerQuery, queues_listed
from tasks.api.forms import QueueChanges, QueueForm
from tasks.api.representations import queue_row
from tasks.models import Queue
from tasks.queue_counts import counts_of

WRITE_LIMIT = ("queue-change", "PERSONALQ_RATE_QUEUE_CHANGE")


class QueueList(IdempotentPost, ApiView):
    """Your queues and the shared ones."""

    scope: ClassVar[str] = "queues"
    query_class = OwnerQuery
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "POST": WRITE_LIMIT}

    @extend_schema(
        operation_id="list_queues",
        summary="List queues",
        description="Your own and the shared ones.",
        tags=["queues"],
        parameters=[OwnerQuery, PageParameters],
        responses={200: documents.QueuePage},
    )
    def get(self, request: Request) -> Response:
        return self.page(queues_listed(self.user, self.query).select_related("owner"), queue_row(request))

    @extend_schema(
        operation_id="create_queue",
        summary="Create a queue",
        tags=["queues"],
        request=QueueForm,
        responses={
            201: documents.Queue,
            **conflict(
                "`name_taken`: you have a queue of this name, or a shared one has it. "
                "`quota_reached`: you own as many as you may."
            ),
        },
    )
    def post(self, request: Request) -> Response:
        queue = queues.create(actor=self.user, **read_body(QueueForm, request))
        return created(queue_row(request)(queue))


class OneQueueView(ObjectView[Queue]):
    """What all routes about one queue share."""

    scope: ClassVar[str] = "queues"

    def fetch(self, uuid: UUID, deed: access.Deed) -> Queue:
        return access.queue_for(self.user, uuid, deed)


class OneQueue(OneQueueView):
    """One queue."""

    rate_limits: ClassVar = {
        "GET": READ_LIMIT,
        "HEAD": READ_LIMIT,
        "PATCH": WRITE_LIMIT,
        "DELETE": WRITE_LIMIT,
    }

    @extend_schema(operation_id="get_queue", summary="Read a queue", tags=["queues"], responses={200: documents.Queue})
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        return Response(queue_row(request)(self.find("view")))

    @extend_schema(
        operation_id="change_queue",
        summary="Change a queue",
        description="Shared queues are changed by operators only.",
        tags=["queues"],
        request=QueueChanges,
        responses={200: documents.Queue},
    )
    def patch(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        queue = self.find("change")
        changed = queues.change(actor=self.user, queue=queue, **read_body(QueueChanges, request))
        return Response(queue_row(request)(changed))

    @extend_schema(
        operation_id="delete_queue",
        summary="Delete a queue",
        description="Its finished tasks move to the default queue, where a retry would run.",
        tags=["queues"],
        responses={
            **no_content("The queue is deleted."),
            **conflict("`queue_in_use`: agents, schedules or unfinished tasks use it, or it is the default queue."),
        },
    )
    def delete(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        queues.delete(actor=self.user, queue=self.find("change"))
        return Response(status=204)


class QueueInfo(OneQueueView):
    """What is in a queue."""

    @extend_schema(
        operation_id="get_queue_info",
        summary="Count what is in a queue",
        description=(
            "Of a shared queue you get your own tasks and agents, and operators everybody's (`is_whole`). "
            "Each figure is counted up to 10,000; when there is more, `is_capped` is true."
        ),
        tags=["queues"],
        responses={200: documents.QueueInfo},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        queue = self.find("view")
        counts = counts_of([queue], user=self.user)[queue.pk]
        return Response({"uuid": str(queue.uuid), "name": queue.name, **asdict(counts)})


class QueueVerb(OneQueueView):
    """A POST to a queue; its body may be left out."""

    content_negotiation_class = JsonWithoutType
    rate_limits: ClassVar = {"POST": WRITE_LIMIT}


class PauseQueue(QueueVerb):
    """Starts no more tasks of a queue."""

    @extend_schema(
        operation_id="pause_queue",
        summary="Start no more tasks of a queue",
        description="Tasks that run go on. Repeating it changes nothing.",
        tags=["queues"],
        request=None,
        responses={200: documents.Queue},
    )
    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        queue = self.find("change")
        read_body(NoBody, request)
        return Response(queue_row(request)(queues.pause(actor=self.user, queue=queue)))


class ResumeQueue(QueueVerb):
    """Goes on with a paused queue."""

    @extend_schema(
        operation_id="resume_queue",
        summary="Go on with a paused queue",
        description="Repeating it changes nothing.",
        tags=["queues"],
        request=None,
        responses={200: documents.Queue},
    )
    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        queue = self.find("change")
        read_body(NoBody, request)
        return Response(queue_row(request)(queues.resume(actor=self.user, queue=queue)))
