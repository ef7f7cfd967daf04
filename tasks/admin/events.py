from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from personalq.lib.admin import SafeModelAdmin
from tasks.models import TaskEvent


class ReadOnly:
    """History is looked at, never written."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return False


@admin.register(TaskEvent)
class TaskEventAdmin(ReadOnly, SafeModelAdmin[TaskEvent]):
    """What happened to tasks, newest first."""

    list_display = ("id", "kind", "task", "owner", "attempt", "at")
    list_filter = ("kind", "at")
    list_select_related = ("task", "owner")
    search_fields = ("task__uuid", "owner__username")
    ordering = ("-id",)
    fields = readonly_fields = ("id", "kind", "task", "owner", "attempt", "data", "at")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaskEvent]:
        # Prompts and results may be large and no column of this list shows them.
        return super().get_queryset(request).defer("task__prompt", "task__result", "task__input")
