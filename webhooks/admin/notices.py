from django.contrib import admin

from personalq.lib.admin import ReadOnly, SafeModelAdmin
from webhooks.models import Notice, NoticeChoice


@admin.register(NoticeChoice)
class NoticeChoiceAdmin(ReadOnly, SafeModelAdmin[NoticeChoice]):
    """What people chose to be told. Only they change it."""

    list_display = ("owner", "wants_finished", "wants_failed", "wants_approval", "wants_budget", "due_at", "failures")
    list_select_related = ("owner",)
    search_fields = ("owner__username",)
    fields = readonly_fields = (
        "owner", "wants_finished", "wants_failed", "wants_approval", "wants_budget", "wants_endpoint",
        "batch_minutes", "due_at", "claimed_until_at", "failures", "updated_at",
    )  # fmt: skip
    show_full_result_count = False


@admin.register(Notice)
class NoticeAdmin(ReadOnly, SafeModelAdmin[Notice]):
    """What was or is to be told by e-mail."""

    list_display = ("id", "owner", "kind", "task", "created_at", "sent_at")
    list_filter = ("kind", "created_at", "sent_at")
    list_select_related = ("owner", "task")
    search_fields = ("owner__username", "task__uuid")
    fields = readonly_fields = ("id", "owner", "kind", "task", "facts", "created_at", "sent_at")
    show_full_result_count = False
