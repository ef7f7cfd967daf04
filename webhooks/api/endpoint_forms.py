"""Bodies and answers of the routes of webhook endpoints and deliveries."""

from typing import Any, Final

from rest_framework import serializers

from personalq.lib.fields import (
    SomeChange,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictListField,
    StrictSerializer,
)
from personalq.lib.names import NAME_LENGTH, plain_name
from personalq.lib.queries import ListQuery
from webhooks.models import DeliveryState
from webhooks.models.endpoint import URL_LENGTH
from webhooks.outbound.endpoints import DEFAULT_OVERLAP_SECONDS, LONGEST_OVERLAP_SECONDS
from webhooks.outbound.kinds import OFFERED

_STATUS_HELP: Final = "The last answer's HTTP status; null when there was none."
_CODE_HELP: Final = "Why the last attempt was no success; docs/webhooks.md lists all. Empty when it was one."


def _name(**options: Any) -> StrictCharField:
    return StrictCharField(
        max_length=NAME_LENGTH,
        refuse_edge_space=True,
        single_line=True,
        validators=[plain_name],
        help_text="Unique among your endpoints.",
        **options,
    )


def _target_url(**options: Any) -> StrictCharField:
    return StrictCharField(
        max_length=URL_LENGTH,
        single_line=True,
        help_text="Where deliveries are sent: https, a public host.",
        **options,
    )


def _kinds(**options: Any) -> StrictListField:
    return StrictListField(
        child=StrictChoiceField(choices=OFFERED),
        min_length=1,
        max_length=len(OFFERED),
        help_text="The kinds of events that it gets.",
        **options,
    )


class EndpointForm(StrictSerializer):
    """A new endpoint."""

    name = _name()
    target_url = _target_url()
    kinds = _kinds()


class EndpointChangesForm(SomeChange):
    """What is not sent stays."""

    name = _name(required=False)
    target_url = _target_url(required=False)
    kinds = _kinds(required=False)


class EndpointRotationForm(StrictSerializer):
    """How long the old secret signs, too."""

    keep_old_seconds = StrictIntegerField(
        min_value=0,
        max_value=LONGEST_OVERLAP_SECONDS,
        default=DEFAULT_OVERLAP_SECONDS,
        help_text="So long deliveries carry both signatures; 0 ends the old secret at once.",
    )


class DeliveryQuery(ListQuery):
    """Which deliveries to list."""

    state = StrictChoiceField(choices=DeliveryState.values, required=False, help_text="Only those in this state.")


class WebhookEndpoint(serializers.Serializer[Any]):
    """A webhook endpoint. Its secret is never part of an answer but of those that made it."""

    uuid = serializers.UUIDField()
    name = serializers.CharField()
    target_url = serializers.CharField()
    kinds = serializers.ListField(child=serializers.ChoiceField(choices=OFFERED))
    is_on = serializers.BooleanField()
    off_reason = serializers.CharField(
        help_text="`owner`, `gone` (it answered 410) or `failing`; empty while it is on."
    )
    off_at = serializers.DateTimeField(allow_null=True)
    failures = serializers.IntegerField(help_text="In a row.")
    failing_since_at = serializers.DateTimeField(allow_null=True)
    held_until_at = serializers.DateTimeField(allow_null=True, help_text="After a failure nothing is tried before.")
    last_delivered_at = serializers.DateTimeField(allow_null=True)
    old_secret_until_at = serializers.DateTimeField(
        allow_null=True, help_text="Until then deliveries carry the old secret's signature, too."
    )
    owner = serializers.CharField(help_text="The owner's user name.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    url = serializers.URLField()


class NewWebhookEndpoint(WebhookEndpoint):
    """An endpoint with a secret just made."""

    secret = serializers.CharField(help_text="Give it to the receiver now: it is never shown again.")


class WebhookEndpointPage(serializers.Serializer[Any]):
    """Webhook endpoints, newest first."""

    results = WebhookEndpoint(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page; null on the last one.")
    previous = serializers.URLField(allow_null=True)


class WebhookDelivery(serializers.Serializer[Any]):
    """One event for one endpoint."""

    uuid = serializers.UUIDField()
    message_id = serializers.CharField(help_text="The `webhook-id` header, the same each time.")
    endpoint = serializers.UUIDField()
    kind = serializers.CharField(help_text="The kind of the event, or `ping`.")
    event = serializers.IntegerField(allow_null=True, help_text="The event's id; null for a test.")
    state = serializers.ChoiceField(choices=DeliveryState.choices)
    attempts = serializers.IntegerField()
    last_status = serializers.IntegerField(allow_null=True, help_text=_STATUS_HELP)
    last_code = serializers.CharField(help_text=_CODE_HELP)
    due_at = serializers.DateTimeField(allow_null=True, help_text="The next attempt, not before the endpoint's hold.")
    give_up_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    delivered_at = serializers.DateTimeField(allow_null=True)
    url = serializers.URLField()


class DeliveryAttempt(serializers.Serializer[Any]):
    """One try."""

    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    seconds = serializers.FloatField()
    status = serializers.IntegerField(allow_null=True)
    code = serializers.CharField()
    head = serializers.CharField(help_text="How the answer began: at most 1,024 characters, without secrets.")


class WebhookDeliveryInFull(WebhookDelivery):
    """A delivery with what is sent, and its attempts, newest first and twenty at most."""

    body = serializers.CharField(help_text="What is sent, byte for byte the same each time.")
    tries = DeliveryAttempt(many=True)


class WebhookDeliveryPage(serializers.Serializer[Any]):
    """Deliveries, newest first."""

    results = WebhookDelivery(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page; null on the last one.")
    previous = serializers.URLField(allow_null=True)


class Redelivered(serializers.Serializer[Any]):
    """What came of asking for everything that failed."""

    redelivered = serializers.IntegerField(help_text="How many deliveries are sent again.")
