from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from personalq.lib.admin import ReadOnly, SafeModelAdmin
from tasks.admin.acting import act_on_each, operator
from webhooks.models import Delivery, DeliveryAttempt, Endpoint, EndpointSecret
from webhooks.outbound import endpoints


@admin.register(Endpoint)
class EndpointAdmin(ReadOnly, SafeModelAdmin[Endpoint]):
    """Where users have their events sent: to be looked at, and switched off by whoever may change them."""

    list_display = ("name", "owner", "off_reason", "failures", "failing_since_at", "held_until_at", "last_delivered_at")
    list_filter = ("off_reason", "failing_since_at", "created_at")
    list_select_related = ("owner",)
    search_fields = ("uuid", "name", "owner__username")
    ordering = ("-id",)
    # The address may hold a key of the receiver's.
    fields = readonly_fields = (
        "uuid", "owner", "name", "origin", "kinds", "off_reason", "off_at", "failing_since_at", "failures",
        "held_until_at", "claimed_until_at", "last_delivered_at", "created_at", "updated_at",
    )  # fmt: skip
    show_full_result_count = False
    actions = ("turn_off", "turn_on")

    @admin.display(description="host")
    def origin(self, endpoint: Endpoint) -> str:
        return "/".join(endpoint.url.split("/")[:3])

    def has_switch_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_endpoint")

    @admin.action(description="Switch off: send nothing more", permissions=["switch"])
    def turn_off(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        actor = operator(request)
        act_on_each(self, request, chosen, lambda each: endpoints.turn_off(actor=actor, endpoint=each), "Switched off")

    @admin.action(description="Switch on", permissions=["switch"])
    def turn_on(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        actor = operator(request)
        act_on_each(self, request, chosen, lambda each: endpoints.turn_on(actor=actor, endpoint=each), "Switched on")


@admin.register(EndpointSecret)
class EndpointSecretAdmin(ReadOnly, SafeModelAdmin[EndpointSecret]):
    """Which secrets sign: when they were made and until when they count. Nobody can read one here."""

    list_display = ("uuid", "endpoint", "created_at", "valid_until_at")
    list_filter = ("created_at", "valid_until_at")
    list_select_related = ("endpoint",)
    search_fields = ("uuid", "endpoint__uuid")
    ordering = ("-id",)
    fields = readonly_fields = ("uuid", "endpoint", "created_at", "valid_until_at")
    show_full_result_count = False
    actions = None


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, SafeModelAdmin[Delivery]):
    """One event for one endpoint, newest first."""

    list_display = ("uuid", "endpoint", "kind", "state", "attempts", "last_status", "last_code", "due_at", "created_at")
    list_filter = ("state", "kind", "created_at")
    list_select_related = ("endpoint",)
    search_fields = ("uuid", "endpoint__uuid")
    ordering = ("-id",)
    fields = readonly_fields = (
        "uuid", "endpoint", "event_id", "kind", "body", "state", "attempts", "failures", "last_status", "last_code",
        "due_at", "give_up_at", "created_at", "delivered_at", "request_id",
    )  # fmt: skip
    show_full_result_count = False
    actions = None


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(ReadOnly, SafeModelAdmin[DeliveryAttempt]):
    """Each try, and how it was answered, newest first."""

    list_display = ("delivery", "number", "status", "code", "seconds", "at")
    list_filter = ("status", "code", "at")
    list_select_related = ("delivery",)
    search_fields = ("delivery__uuid",)
    ordering = ("-id",)
    fields = readonly_fields = ("delivery", "number", "status", "code", "seconds", "head", "at")
    show_full_result_count = False
    actions = None
