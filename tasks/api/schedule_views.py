"""Schedules: list, create, read, change, delete; their next times and what became of the earlier ones."""

from datetime import tzinfo
from typing import ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.api.idempotent import IdempotentPost
from personalq.lib.openapi import conflict, no_content
from personalq.lib.pagination import PageParameters
from personalq.lib.queries import ListQuery
from tasks import access, schedules
from tasks.api import references
from tasks.api import schedule_documents as documents
from tasks.api.base import READ_LIMIT, ApiView, ObjectView, created, read_body
from tasks.api.event_pages import page_of_events
from tasks.api.filters import owned
from tasks.api.schedule_forms import (
    PreviewForm,
    ScheduleChanges,
    ScheduleEventQuery,
    ScheduleForm,
    ScheduleQuery,
    ZoneQuery,
)
from tasks.api.schedule_rows import (
    SHOWN_TIMES,
    fire_row,
    fire_rows,
    schedule_in_full,
    schedule_row,
    schedule_rows,
    times_in,
)
from tasks.models import Schedule
from tasks.schedules.states import in_state
from tasks.timing import zone_named

WRITE_LIMIT = ("agent-change", "PERSONALQ_RATE_AGENT_CHANGE")
_TAKEN = "`name_taken`: you have a schedule of this name. `conflict`: the agent or queue was deleted at this moment."


class ScheduleView(ApiView):
    """What all routes about schedules share."""

    scope: ClassVar[str] = "schedules"

    @property
    def viewer_zone(self) -> tzinfo | None:
        """The zone of the reader's clock, if it was told. Raises InvalidInput naming the parameter."""
        return zone_named(self.query["zone"], field="zone") if "zone" in self.query else None


class ScheduleList(IdempotentPost, ScheduleView):
    """Your schedules."""

    query_class = ScheduleQuery
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "POST": WRITE_LIMIT}

    @extend_schema(
        operation_id="list_schedules",
        summary="List schedules",
        description="Newest first. Long prompts are cut; input is left out.",
        tags=["schedules"],
        parameters=[ScheduleQuery, PageParameters],
        responses={200: documents.SchedulePage},
    )
    def get(self, request: Request) -> Response:
        viewer_zone = self.viewer_zone
        rows = owned(self.user, self.query, own=access.schedules_of, everybodys=access.everybodys_schedules)
        if "agent" in self.query:
            rows = rows.filter(agent=references.agent_to_list(self.user, self.query["agent"]))
        if "state" in self.query:
            rows = in_state(rows, self.query["state"])
        return self.page(schedule_rows(rows), schedule_row(request, viewer_zone))

    @extend_schema(
        operation_id="create_schedule",
        summary="Create a schedule",
        tags=["schedules"],
        request=ScheduleForm,
        responses={201: documents.Schedule, **conflict(_TAKEN)},
    )
    def post(self, request: Request) -> Response:
        values = references.with_objects(read_body(ScheduleForm, request), self.user)
        schedule = schedules.create(actor=self.user, **values)
        return created(schedule_in_full(schedule, request))


class SchedulePreview(ScheduleView):
    """The next times of a timing that is not kept."""

    # It writes nothing, and forms ask for it while somebody types.
    scopes: ClassVar = {"POST": "schedules:read"}
    rate_limits: ClassVar = {"POST": READ_LIMIT}

    @extend_schema(
        operation_id="preview_schedule",
        summary="Tell the next five times of a timing",
        description="Takes what decides when a new schedule is due. Nothing is kept.",
        tags=["schedules"],
        request=PreviewForm,
        responses={200: documents.DueTimes},
    )
    def post(self, request: Request) -> Response:
        timing = read_body(PreviewForm, request)
        name = timing.pop("viewer_zone", None)
        viewer_zone = None if name is None else zone_named(name, field="viewer_zone")
        moments = schedules.preview(count=SHOWN_TIMES, **timing)
        return Response({"upcoming": times_in(moments, timing.get("zone", "UTC"), viewer_zone)})


class OneScheduleView(ScheduleView, ObjectView[Schedule]):
    """What all routes about one schedule share."""

    def fetch(self, uuid: UUID, deed: access.Deed) -> Schedule:
        return access.schedule_for(self.user, uuid, deed)


class OneSchedule(OneScheduleView):
    """One schedule."""

    query_class = ZoneQuery
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "PATCH": WRITE_LIMIT, "DELETE": WRITE_LIMIT}

    @extend_schema(
        operation_id="get_schedule",
        summary="Read a schedule and its next five times",
        tags=["schedules"],
        parameters=[ZoneQuery],
        responses={200: documents.Schedule},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        return Response(schedule_in_full(self.find("view"), request, self.viewer_zone))

    @extend_schema(
        operation_id="change_schedule",
        summary="Change a schedule",
        description="What is not sent stays. With another timing it is due by that one from now on.",
        tags=["schedules"],
        request=ScheduleChanges,
        responses={200: documents.Schedule, **conflict(_TAKEN)},
    )
    def patch(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        schedule = self.find("change")
        changes = references.with_objects(read_body(ScheduleChanges, request), schedule.owner)
        return Response(schedule_in_full(schedules.change(actor=self.user, schedule=schedule, **changes), request))

    @extend_schema(
        operation_id="delete_schedule",
        summary="Delete a schedule",
        description="It stays behind the history of its tasks; its name becomes free.",
        tags=["schedules"],
        responses=no_content("The schedule is deleted."),
    )
    def delete(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        schedules.delete(actor=self.user, schedule=self.find("change"))
        return Response(status=204)


class ScheduleFires(OneScheduleView):
    """What became of each time at which a schedule was due."""

    query_class = ListQuery

    @extend_schema(
        operation_id="list_schedule_fires",
        summary="List what became of a schedule's times",
        description="Newest first.",
        tags=["schedules"],
        parameters=[PageParameters],
        responses={200: documents.FirePage},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        return self.page(fire_rows(self.find("view")), fire_row)


class ScheduleEvents(OneScheduleView):
    """A schedule's history."""

    query_class = ScheduleEventQuery

    @extend_schema(
        operation_id="list_schedule_events",
        summary="List a schedule's events",
        description="Oldest first. What becomes of its tasks is in their own events.",
        tags=["schedules"],
        parameters=[ScheduleEventQuery],
        responses={200: documents.ScheduleEventPage},
    )
    def get(self, request: Request, uuid: UUID) -> Response:
        schedule = self.find("view")
        address = reverse("api-schedule-events", args=[uuid], request=request)
        return page_of_events(self.query, address, schedule_id=schedule.pk)
