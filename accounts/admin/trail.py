"""The audit trail, for operators: to be read, and by nobody to be changed."""

import re

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from accounts.models import AuditEvent, AuditMark
from personalq.lib.admin import ReadOnly, SafeModelAdmin


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly, SafeModelAdmin[AuditEvent]):
    """The audit trail: to be read, and by nobody to be changed."""

    # Narrow columns, so that all of them fit beside the filter; the object's id stands on the page of the row.
    list_display = ("number", "moment", "deed", "outcome", "actor", "about", "address")
    list_display_links = ("number", "moment")
    list_filter = ("kind", "outcome", "at")
    search_fields = ("kind", "actor_name", "actor_uuid", "owner_uuid", "object_uuid", "address", "request_id")
    fields = readonly_fields = (
        "number", "at", "kind", "outcome", "actor_uuid", "actor_name", "owner_uuid", "object_kind", "object_uuid",
        "address", "request_id", "facts",
    )  # fmt: skip
    show_full_result_count = False
    actions = None

    @admin.display(description="at", ordering="at")
    def moment(self, event: AuditEvent) -> str:
        return f"{localtime(event.at):%Y-%m-%d %H:%M:%S}"

    @admin.display(description="kind", ordering="kind")
    def deed(self, event: AuditEvent) -> SafeString:
        return _breakable(event.kind)

    @admin.display(description="actor", ordering="actor_name")
    def actor(self, event: AuditEvent) -> str:
        return event.actor_name

    @admin.display(description="about", ordering="object_kind")
    def about(self, event: AuditEvent) -> SafeString:
        return _breakable(event.object_kind)


@admin.register(AuditMark)
class AuditMarkAdmin(ReadOnly, SafeModelAdmin[AuditMark]):
    """How far the chain of the audit trail reaches, and up to where it was cut."""

    list_display = ("kind", "number", "at")
    fields = readonly_fields = ("kind", "number", "seal", "at")
    show_full_result_count = False
    actions = None


def _breakable(words: str) -> SafeString:
    """A kind, which a narrow column may break behind each of its signs."""
    return format_html_join("", "{}<wbr>", ((part,) for part in re.split(r"(?<=[._])", words)))
