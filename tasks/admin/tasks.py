from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest

from tasks import lifecycle
from tasks.admin.acting import VerbModelAdmin, act_on_each, operator
from tasks.models import Task

EDITABLE = ("title", "prompt", "order")
SHOWN = (
    "uuid", "status", "owner", "agent", "queue", "source", "trusted", "input", "request_id",
    "concurrency_key", "concurrency_policy",
    "attempts", "free_attempts", "lost_attempts", "held_attempts", "max_attempts",
    "handed_out_at", "not_before_at", "start_by_at", "lease_expires_at", "deadline_at",
    "started_at", "finished_at", "dead_at", "pruned_at", "created_at", "updated_at",
    "result", "error_code", "error_detail", "tokens_in", "tokens_out", "cost",
)  # fmt: skip


@admin.register(Task)
class TaskAdmin(VerbModelAdmin[Task]):
    """Everybody's tasks. Whatever changes one here goes through the lifecycle, like everywhere else."""

    list_display = ("uuid", "title", "status", "owner", "agent", "queue", "attempts", "created_at")
    list_filter = ("status", "source", ("agent", admin.EmptyFieldListFilter), "error_code", "queue", "createdat")
    list_select_related = ("owner", "agent", "queue")
    search_fields = ("uuid", "title", "owner__username", "agent__name")
    fieldsets = ((None, {"fields": EDITABLE}), ("Written by the machine", {"fields": SHOWN}))
    readonly_fields = SHOWN
    show_full_result_count = False
    actions = ("cancel", "retry", "archive")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        rows = super().get_queryset(request)
        is_list = request.resolver_match is not None and request.resolver_match.url_name == "tasks_task_changelist"
        return rows.defer("prompt", "result", "input", "error_detail") if is_list else rows

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        # Tasks come in by the doors, which check owner, agent and limits.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Task | None = None) -> bool:  # noqa: ARG002
        return False

    def save_model(self, request: HttpRequest, obj: Task, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        lifecycle.edit(actor=operator(request), task=obj, **{name: getattr(obj, name) for name in form.changed_data})

    # The columns have the older systems' names, which do not read well as labels.
    @admin.display(description="created at", ordering="createdat")
    def created_at(self, task: Task) -> datetime:
        return task.createdat

    @admin.display(description="updated at", ordering="updatedat")
    def updated_at(self, task: Task) -> datetime:
        return task.updatedat

    @admin.action(description="Cancel", permissions=["change"])
    def cancel(self, request: HttpRequest, chosen: QuerySet[Task]) -> None:
        self._ask(request, chosen, "cancel", "Cancelled")

    @admin.action(description="Retry", permissions=["change"])
    def retry(self, request: HttpRequest, chosen: QuerySet[Task]) -> None:
        self._ask(request, chosen, "retry", "Retried")

    @admin.action(description="Archive", permissions=["change"])
    def archive(self, request: HttpRequest, chosen: QuerySet[Task]) -> None:
        self._ask(request, chosen, "archive", "Archived")

    def _ask(self, request: HttpRequest, chosen: QuerySet[Task], verb: str, done: str) -> None:
        if not self.has_change_permission(request):
            raise PermissionDenied
        change = partial(getattr(lifecycle, verb), actor=operator(request))
        act_on_each(self, request, chosen, lambda task: change(task=task), done)
