from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from personalq.lib.admin import ReadOnly, SafeModelAdmin
from tasks.admin.acting import act_on_each, operator
from webhooks.doors import keeping
from webhooks.models import Door, DoorSecret, InboundRequest


@admin.register(Door)
class DoorAdmin(ReadOnly, SafeModelAdmin[Door]):
    """By what work comes in: to be looked at, and closed by whoever may change doors."""

    list_display = ("name", "owner", "kind", "agent", "is_open", "last_used_at", "last_refused_at", "created_at")
    list_filter = ("kind", "is_open", "created_at", "last_refused_at")
    list_select_related = ("owner", "agent")
    search_fields = ("uuid", "name", "owner__username")
    ordering = ("-id",)
    fields = readonly_fields = (
        "uuid", "owner", "name", "kind", "is_open", "agent", "queue", "instruction", "template", "title_template",
        "signature_header", "signature_prefix", "signature_digest", "signature_encoding", "timestamp_header",
        "id_header", "created_at", "updated_at", "last_used_at", "last_refused_at",
    )  # fmt: skip
    show_full_result_count = False
    actions = ("close", "reopen")

    def has_switch_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_door")

    @admin.action(description="Close: let nothing in", permissions=["switch"])
    def close(self, request: HttpRequest, chosen: QuerySet[Door]) -> None:
        actor = operator(request)
        act_on_each(self, request, chosen, lambda each: keeping.close(actor=actor, door=each), "Closed")

    @admin.action(description="Open again", permissions=["switch"])
    def reopen(self, request: HttpRequest, chosen: QuerySet[Door]) -> None:
        actor = operator(request)
        act_on_each(self, request, chosen, lambda each: keeping.reopen(actor=actor, door=each), "Opened")


@admin.register(DoorSecret)
class DoorSecretAdmin(ReadOnly, SafeModelAdmin[DoorSecret]):
    """Which secrets count: when they were made and until when. Nobody can read one here."""

    list_display = ("uuid", "door", "created_at", "valid_until_at")
    list_filter = ("created_at", "valid_until_at")
    list_select_related = ("door",)
    search_fields = ("uuid", "door__uuid")
    ordering = ("-id",)
    fields = readonly_fields = ("uuid", "door", "created_at", "valid_until_at")
    show_full_result_count = False
    actions = None


@admin.register(InboundRequest)
class InboundRequestAdmin(ReadOnly, SafeModelAdmin[InboundRequest]):
    """What doors have let in, newest first."""

    list_display = ("key", "door", "outcome", "code", "task", "at")
    list_filter = ("outcome", "code", "at")
    list_select_related = ("door", "task")
    search_fields = ("key", "door__uuid")
    ordering = ("-id",)
    fields = readonly_fields = ("door", "key", "outcome", "code", "task", "at")
    show_full_result_count = False
    actions = None
