"""Bulk actions: ask for one, list, watch and stop them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.idempotent import IdempotentPost
from accounts.models import User
from personalq.lib.errors import InvalidInput
from personalq.lib.fields import NoBody
from personalq.lib.negotiation import JsonWithoutType
from personalq.lib.openapi import conflict
from personalq.lib.pagination import PageParameters
from tasks import access, bulk
from tasks.api import references
from tasks.api.base import READ_LIMIT, ApiView, ObjectView, body_of, read_body
from tasks.api.bulk_bodies import BulkActionDocument, BulkActionForm, BulkActionPage, bulk_action_row
from tasks.api.filters import EVERYBODY, OwnerQuery, bulk_actions_listed, criteria_of
from tasks.models import BulkAction, Queue

BULK_LIMIT = ("task-change", "PERSONALQ_RATE_TASK_CHANGE")
TOO_MANY = conflict(f"`too_many_bulk_actions`: {bulk.MOST_UNFINISHED} of yours are under way.")
LOCATION = OpenApiParameter(
    "Location", str, OpenApiParameter.HEADER, response=[202], description="The address that tells the progress."
)


class AskingView(IdempotentPost, ApiView):
    """A view whose POST asks for a bulk action."""

    scope: ClassVar[str] = "tasks"
    filter_place: ClassVar[str] = "filter."
    """Where the conditions stand in the body, for the names of wrong fields."""

    def ask(
        self, *, action: str, conditions: Mapping[str, Any], shown: Mapping[str, Any], **details: Any
    ) -> BulkAction:
        """Write it down. `conditions` are checked ones, `shown` the same as they were sent."""
        task_owner = _task_owner(self.user, conditions.get("owner"))
        with _inside(self.filter_place):
            criteria = criteria_of(self.user, conditions)
        if "queue" in details:
            details["queue"] = _target(self.user, task_owner, details["queue"])
        return bulk.create(
            actor=self.user,
            action=action,
            criteria=criteria,
            shown_filter=dict(shown),
            task_owner=task_owner,
            **details,
        )

    def accepted(self, action: BulkAction) -> Response:
        """202 with the action as it stands, and where to watch it."""
        body = bulk_action_row(self.request)(access.bulk_action_for(self.user, action.uuid))
        return Response(body, status=202, headers={"Location": body["url"]})


class BulkActionList(AskingView):
    """Your bulk actions."""

    query_class = OwnerQuery
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "POST": BULK_LIMIT}

    @extend_schema(
        operation_id="list_bulk_actions",
        summary="List bulk actions",
        tags=["bulk actions"],
        parameters=[OwnerQuery, PageParameters],
        responses={200: BulkActionPage},
    )
    def get(self, request: Request) -> Response:
        rows = bulk_actions_listed(self.user, self.query).select_related("owner", "queue")
        return self.page(rows, bulk_action_row(request))

    @extend_schema(
        operation_id="create_bulk_action",
        summary="Cancel, retry, archive or move many tasks",
        description=(
            "Means the tasks that fit the filter and whose status allows the action at this moment. It is carried out "
            "in the background; tasks that have changed when their turn comes are skipped."
        ),
        tags=["bulk actions"],
        request=BulkActionForm,
        parameters=[LOCATION],
        responses={202: BulkActionDocument, **TOO_MANY},
    )
    def post(self, request: Request) -> Response:
        body = read_body(BulkActionForm, request)
        action, conditions = body.pop("action"), body.pop("filter")
        shown = body_of(request)["filter"]
        return self.accepted(self.ask(action=action, conditions=conditions, shown=shown, **body))


class OneBulkActionView(ObjectView[BulkAction]):
    """What all routes about one bulk action share."""

    scope: ClassVar[str] = "tasks"

    def fetch(self, uuid: UUID, deed: access.Deed) -> BulkAction:
        return access.bulk_action_for(self.user, uuid, deed)


class OneBulkAction(OneBulkActionView):
    """One bulk action."""

    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT}

    @extend_schema(
        operation_id="get_bulk_action",
        summary="See how far a bulk action is",
        tags=["bulk actions"],
        responses={200: BulkActionDocument},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        return Response(bulk_action_row(request)(self.find("view")))


class StopBulkAction(OneBulkActionView):
    """Leaves the rest of the tasks alone."""

    content_negotiation_class = JsonWithoutType
    rate_limits: ClassVar = {"POST": BULK_LIMIT}

    @extend_schema(
        operation_id="stop_bulk_action",
        summary="Stop a bulk action",
        description="What is done stays done. No task is changed after the answer. Repeating it changes nothing.",
        tags=["bulk actions"],
        request=None,
        responses={200: BulkActionDocument},
    )
    def post(self, request: Request, uuid: UUID) -> Response:
        action = self.find("change")
        read_body(NoBody, request)
        bulk.stop(actor=self.user, action=action)
        return Response(bulk_action_row(request)(self.fetch(uuid, "change")))


@contextmanager
def _inside(place: str) -> Iterator[None]:
    """Name wrong fields by where in the body they stand."""
    try:
        yield
    except InvalidInput as error:
        inner = [replace(each, field=f"{place}{each.field}") for each in error.errors]
        raise InvalidInput(errors=inner) from None


def _task_owner(user: User, name: str | None) -> User | None:
    """Whose tasks are meant; None is everybody's."""
    if name is None:
        return user
    # First: whether there is such a user is nobody else's business.
    access.everybodys_tasks(user, "change")
    with _inside("filter."):
        return None if name == EVERYBODY else references.owner_to_list(name)


def _target(user: User, task_owner: User | None, name: str) -> Queue:
    """The queue to move to: one that the tasks' owner may use; for everybody's tasks a shared one."""
    queue = references.queue_to_use(task_owner or user, name)
    if task_owner is None and not queue.is_shared:
        message = "Tasks of several owners can be moved to a shared queue only."
        raise InvalidInput.for_field("queue", "not_shared", message)
    return queue
