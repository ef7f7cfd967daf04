"""The audit trail: to be read, and by nobody to be changed."""

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiView
from accounts.audit.reading import events_of, everybodys_events
from accounts.models import AuditEvent
from accounts.models.audit_event import Outcome
from personalq.lib.fields import StrictCharField, StrictChoiceField, StrictDateTimeField
from personalq.lib.pagination import PageParameters
from personalq.lib.queries import ListQuery, QueryBooleanField


class AuditQuery(ListQuery):
    """Which events to list."""

    kind = StrictCharField(max_length=48, required=False, help_text="Only this one, such as `sign_in.failed`.")
    outcome = StrictChoiceField(choices=Outcome.values, required=False)
    since = StrictDateTimeField(required=False, help_text="From then on.")
    all = QueryBooleanField(
        required=False,
        help_text="For operators: `true` lists everybody's. Without it the list holds what concerns you.",
    )


class AuditObject(serializers.Serializer[Any]):
    """What an act was about."""

    kind = serializers.CharField()
    uuid = serializers.UUIDField()


class AuditEventDocument(serializers.Serializer[Any]):
    """One act."""

    uuid = serializers.UUIDField()
    number = serializers.IntegerField(allow_null=True, help_text="Its place in the chain; null for a moment.")
    at = serializers.DateTimeField()
    kind = serializers.CharField(help_text="docs/audit.md names them all.")
    outcome = serializers.ChoiceField(choices=Outcome.values)
    actor = serializers.CharField(allow_null=True, help_text="Who did it, by user name; null: nobody who is known.")
    object = AuditObject(allow_null=True)
    address = serializers.CharField(allow_null=True, help_text="Where the request came from, as far as known.")
    request_id = serializers.CharField(allow_null=True)
    facts = serializers.DictField(help_text="What else is known of it; what it holds depends on the kind.")


class AuditEventPage(serializers.Serializer[Any]):
    """Audit events, newest first."""

    results = AuditEventDocument(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page; null on the last one.")
    previous = serializers.URLField(allow_null=True)


class AuditEventList(ApiView):
    """What you did and what concerns you."""

    scope = "audit"
    query_class = AuditQuery

    @extend_schema(
        operation_id="list_audit_events",
        summary="List what you did, and what concerns you",
        tags=["audit"],
        parameters=[AuditQuery, PageParameters],
        responses={200: AuditEventPage},
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 - a view's signature
        return self.page(self._wanted(), audit_row)

    def _wanted(self) -> QuerySet[AuditEvent]:
        rows = everybodys_events(self.user) if self.query.get("all") else events_of(self.user)
        asked = {"kind": "kind", "outcome": "outcome", "since": "at__gte"}
        return rows.filter(Q(**{asked[name]: value for name, value in self.query.items() if name in asked}))


def audit_row(event: AuditEvent) -> dict[str, Any]:
    """An event as clients see it: not what it is chained with."""
    about = {"kind": event.object_kind, "uuid": event.object_uuid} if event.object_uuid else None
    return {
        "uuid": event.uuid,
        "number": event.number,
        "at": event.at,
        "kind": event.kind,
        "outcome": event.outcome,
        "actor": event.actor_name or None,
        "object": about,
        "address": event.address or None,
        "request_id": event.request_id or None,
        "facts": event.facts,
    }
