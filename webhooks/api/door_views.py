"""Doors: list, create, read, change, delete, and what can be asked of one."""

from typing import ClassVar
from uuid import UUID

from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.idempotent import IdempotentPost
from personalq.lib.fields import NoBody
from personalq.lib.negotiation import JsonWithoutType
from personalq.lib.openapi import conflict, no_content
from personalq.lib.pagination import PageParameters
from personalq.lib.queries import ListQuery
from tasks.api import references
from webhooks import access
from webhooks.api import door_forms as forms
from webhooks.api.base import READ_LIMIT, WRITE_LIMIT, ApiView, Deed, ObjectView, created, read_body
from webhooks.api.door_rows import door_row, door_rows, preview_row, request_row
from webhooks.doors import keeping
from webhooks.inbound import sampling
from webhooks.models import Door, InboundRequest

TAGS = ["doors"]
_GONE = "`conflict`: the agent or queue was deleted at this moment."
_TAKEN = f"`name_taken`: you have a door of this name. {_GONE}"
_IN_USE = "`secret_in_use`: another door or the installation has this secret."
_NOT_TOLD = "`secret_not_told`: it is the door of a Telegram bot; rotate it by the bot's route."
_USED = "`idempotency_key_used`: the secret was made before and cannot be shown again."


class DoorList(IdempotentPost, ApiView):
    """Your doors."""

    query_class = forms.DoorQuery
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "POST": WRITE_LIMIT}
    answer_holds_secret: ClassVar[bool] = True

    @extend_schema(
        operation_id="list_doors",
        summary="List your doors",
        tags=TAGS,
        parameters=[forms.DoorQuery, PageParameters],
        responses={200: forms.DoorPage},
    )
    def get(self, request: Request) -> Response:
        rows = access.doors_of(self.user)
        if "kind" in self.query:
            rows = rows.filter(kind=self.query["kind"])
        return self.page(door_rows(rows), door_row(request))

    @extend_schema(
        operation_id="create_door",
        summary="Make a door",
        description="The answer is the only one that holds its secret.",
        tags=TAGS,
        request=forms.DoorForm,
        responses={
            201: forms.NewDoor,
            **conflict(f"{_TAKEN} `quota_reached`: you own as many as you may. {_IN_USE} {_USED}"),
        },
    )
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        new = keeping.create(actor=self.user, **references.with_objects(read_body(forms.DoorForm, request), self.user))
        return created({**door_row(request)(new.door), "secret": new.secret})


class OneDoorView(ObjectView[Door]):
    """What all routes about one door share."""

    def fetch(self, uuid: UUID, deed: Deed) -> Door:
        return access.door_for(self.user, uuid, deed)


class OneDoor(OneDoorView):
    """One door."""

    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "PATCH": WRITE_LIMIT, "DELETE": WRITE_LIMIT}

    @extend_schema(operation_id="get_door", summary="Read a door", tags=TAGS, responses={200: forms.Door})
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        return Response(door_row(request)(self.find("view")))

    @extend_schema(
        operation_id="change_door",
        summary="Change a door",
        description="What is not sent stays.",
        tags=TAGS,
        request=forms.DoorChangeForm,
        responses={200: forms.Door, **conflict(_TAKEN)},
    )
    def patch(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        door = self.find("change")
        changes = references.with_objects(read_body(forms.DoorChangeForm, request), door.owner)
        return Response(door_row(request)(keeping.change(actor=self.user, door=door, **changes)))

    @extend_schema(
        operation_id="delete_door",
        summary="Delete a door",
        description="Its secret and what it remembers of requests go with it, and a Telegram bot; its tasks stay.",
        tags=TAGS,
        responses=no_content("The door is deleted."),
    )
    def delete(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        keeping.delete(actor=self.user, door=self.find("change"))
        return Response(status=204)


class OpenDoor(OneDoorView):
    """Letting requests in again."""

    content_negotiation_class = JsonWithoutType
    rate_limits: ClassVar = {"POST": WRITE_LIMIT}

    @extend_schema(
        operation_id="open_door", summary="Open a door", tags=TAGS, request=None, responses={200: forms.Door}
    )
    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        door = self.find("change")
        read_body(NoBody, request)
        return Response(door_row(request)(keeping.reopen(actor=self.user, door=door)))


class CloseDoor(OneDoorView):
    """Letting nothing in."""

    content_negotiation_class = JsonWithoutType
    rate_limits: ClassVar = {"POST": WRITE_LIMIT}

    @extend_schema(
        operation_id="close_door", summary="Close a door", tags=TAGS, request=None, responses={200: forms.Door}
    )
    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        door = self.find("change")
        read_body(NoBody, request)
        return Response(door_row(request)(keeping.close(actor=self.user, door=door)))


class RotateDoor(IdempotentPost, OneDoorView):
    """A new secret."""

    rate_limits: ClassVar = {"POST": WRITE_LIMIT}
    answer_holds_secret: ClassVar[bool] = True

    @extend_schema(
        operation_id="rotate_door",
        summary="Give a door a new secret",
        description="The present one counts for `keep_old_seconds` more. The answer is the only one that holds it.",
        tags=TAGS,
        request=forms.RotationForm,
        responses={201: forms.NewDoor, **conflict(f"{_IN_USE} {_USED} {_NOT_TOLD}")},
    )
    @sensitive_variables()
    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        door = self.find("change")
        plain = keeping.rotate(actor=self.user, door=door, **read_body(forms.RotationForm, request))
        return created({**door_row(request)(door), "secret": plain})


class PreviewDoor(OneDoorView):
    """What a sample payload would come to."""

    # It writes nothing.
    scopes: ClassVar = {"POST": "doors:read"}
    rate_limits: ClassVar = {"POST": READ_LIMIT}

    @extend_schema(
        operation_id="preview_door",
        summary="Try a payload out",
        description="Tells which task would come of it. Nothing is written, and no secret is needed.",
        tags=TAGS,
        request=forms.DoorPreviewForm,
        responses={200: forms.DoorPreview, **conflict("`no_template`: doors of this kind make no task of a payload.")},
    )
    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        door = self.find("view")
        if door.kind not in keeping.TEMPLATED:
            raise keeping.NoTemplate
        return Response(preview_row(sampling.expect(door, **read_body(forms.DoorPreviewForm, request))))


class DoorRequests(OneDoorView):
    """What was let in."""

    query_class = ListQuery

    @extend_schema(
        operation_id="list_door_requests",
        summary="List what a door has let in",
        description="Newest first. What was refused at the door is in the audit trail.",
        tags=TAGS,
        parameters=[PageParameters],
        responses={200: forms.InboundRequestPage},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        rows = InboundRequest.objects.filter(door=self.find("view")).select_related("task")
        return self.page(rows, request_row)
