from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from personalq.lib.admin import ReadOnly, SafeModelAdmin
from tasks.models import TaskEvent


@admin.register(TaskEvent)
class TaskEventAdmin(ReadOnly, SafeModelAdmin[TaskEvent]):
    """What happened to tasks and schedules, newest first."""

    list_display = ("id", "kind", "task", "schedule", "owner", "attempt", "at")
    list_filter = ("kind", "at")
    list_select_related = ("task", "schedule", "owner")
    search_fields = ("task__uuid", "schedule__uuid", "owner__username")
    ordering = ("-id",)
    fields = readonly_fields = ("id", "kind", "task", "schedule", "owner", "attempt", "data", "at")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaskEvent]:
        # Prompts and results may be large and no column of this list shows them.
        long = ("task__prompt", "task__result", "task__input", "schedule__prompt", "schedule__input")
        return super().get_queryset(request).defer(*long)
