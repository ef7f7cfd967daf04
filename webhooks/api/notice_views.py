"""Which notices you get by e-mail."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import READ_LIMIT, ApiView, read_body
from personalq.lib.fields import StrictBooleanField, StrictIntegerField, StrictSerializer
from personalq.lib.openapi import conflict
from webhooks.models import NoticeChoice
from webhooks.models.notice import MOST_BATCH_MINUTES
from webhooks.notices import choices

CHANGE_LIMIT = ("door-change", "PERSONALQ_RATE_DOOR_CHANGE")


class NoticeChoiceForm(StrictSerializer):
    """What you want to be told; what is left out stays as it is."""

    wants_finished = StrictBooleanField(required=False)
    wants_failed = StrictBooleanField(required=False)
    wants_approval = StrictBooleanField(required=False)
    wants_budget = StrictBooleanField(required=False)
    wants_endpoint = StrictBooleanField(required=False)
    batch_minutes = StrictIntegerField(required=False, min_value=1, max_value=MOST_BATCH_MINUTES)


class NoticeChoiceRow(serializers.Serializer[Any]):
    """What you are told by e-mail, and how long it is gathered."""

    email = serializers.CharField(source="owner.email", help_text="Where it goes; operators can change it.")
    wants_finished = serializers.BooleanField(help_text="Tasks that are finished.")
    wants_failed = serializers.BooleanField(help_text="Tasks that failed.")
    wants_approval = serializers.BooleanField(help_text="Tasks that wait for your approval.")
    wants_budget = serializers.BooleanField(help_text="Budgets that are nearly or fully used.")
    wants_endpoint = serializers.BooleanField(help_text="Webhook endpoints that were switched off.")
    batch_minutes = serializers.IntegerField(help_text="What happens within so many minutes comes in one e-mail.")


class NoticeChoices(ApiView):
    """Your choice of notices."""

    scope: ClassVar[str] = "doors"
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "PATCH": CHANGE_LIMIT}

    @extend_schema(
        operation_id="get_notices",
        summary="Read which notices you get by e-mail",
        tags=["notices"],
        responses={200: NoticeChoiceRow},
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 - a view's signature
        return Response(_row(choices.read(self.user)))

    @extend_schema(
        operation_id="choose_notices",
        summary="Choose which notices you get by e-mail",
        tags=["notices"],
        request=NoticeChoiceForm,
        responses={
            200: NoticeChoiceRow,
            **conflict(
                "`email_not_set_up`: this installation sends no e-mails. `no_email_address`: your account has none."
            ),
        },
    )
    def patch(self, request: Request) -> Response:
        return Response(_row(choices.change(actor=self.user, **read_body(NoticeChoiceForm, request))))


def _row(choice: NoticeChoice) -> dict[str, Any]:
    return dict(NoticeChoiceRow(choice).data)
