"""The audit trail, for operators: to be read, and by nobody to be changed."""

from django.contrib import admin

from accounts.models import AuditEvent, AuditMark
from personalq.lib.admin import ReadOnly, SafeModelAdmin


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly, SafeModelAdmin[AuditEvent]):
    """The audit trail: to be read, and by nobody to be changed."""

    list_display = ("number", "at", "kind", "outcome", "actor_name", "object_kind", "address")
    list_filter = ("kind", "outcome", "at")
    search_fields = ("kind", "actor_name", "actor_uuid", "owner_uuid", "object_uuid", "address", "request_id")
    fields = readonly_fields = (
        "number", "at", "kind", "outcome", "actor_uuid", "actor_name", "owner_uuid", "object_kind", "object_uuid",
        "address", "request_id", "facts",
    )  # fmt: skip
    show_full_result_count = False
    actions = None


@admin.register(AuditMark)
class AuditMarkAdmin(ReadOnly, SafeModelAdmin[AuditMark]):
    """How far the chain of the audit trail reaches, and up to where it was cut."""

    list_display = ("kind", "number", "at")
    fields = readonly_fields = ("kind", "number", "seal", "at")
    show_full_result_count = False
    actions = None
