from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from personalq.lib.admin import ReadOnly, SafeModelAdmin
from tasks import schedules
from tasks.admin.acting import VerbModelAdmin, act_on_each, operator
from tasks.models import Schedule, ScheduleFire

EDITABLE = (
    "name", "timing", "cron", "every_seconds", "starts_at", "zone", "agent", "queue", "prompt", "title", "order",
    "input", "overlap_policy", "catch_up_policy", "catch_up_seconds",
)  # fmt: skip
SHOWN = (
    "uuid", "owner", "is_paused", "next_due_at", "last_due_at", "last_fired_at", "warning", "warned_at",
    "created_at", "updated_at", "deleted_at",
)  # fmt: skip


class ScheduleForm(forms.ModelForm[Schedule]):
    class Meta:
        model = Schedule
        fields = EDITABLE

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in ("agent", "queue"):
            found = cleaned.get(name)
            if found is not None and found.owner_id not in {self.instance.owner_id, None}:
                self.add_error(name, f"Choose one of the owner's {name}s.")
        return cleaned


@admin.register(Schedule)
class ScheduleAdmin(VerbModelAdmin[Schedule]):
    """When which prompts come in by themselves. Deleted ones stay behind the history of their tasks."""

    form = ScheduleForm
    list_display = ("name", "owner", "agent", "timing", "zone", "is_paused", "next_due_at", "warning", "deleted_at")
    list_filter = ("timing", "is_paused", "warning", ("deleted_at", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("owner", "agent")
    search_fields = ("name", "uuid", "owner__username", "agent__name")
    ordering = ("-id",)
    fieldsets = ((None, {"fields": EDITABLE}), ("Written by the machine", {"fields": SHOWN}))
    readonly_fields = SHOWN
    autocomplete_fields = ("agent", "queue")
    show_full_result_count = False
    actions = ("pause", "resume", "run_now", "delete_them")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        rows = super().get_queryset(request)
        is_list = request.resolver_match is not None and request.resolver_match.url_name == "tasks_schedule_changelist"
        return rows.defer("prompt", "input") if is_list else rows

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        # Their owners make them, by the doors that check agent and times.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Schedule | None = None) -> bool:  # noqa: ARG002
        return False

    def save_model(self, request: HttpRequest, obj: Schedule, form: ScheduleForm, change: bool) -> None:  # noqa: ARG002, FBT001
        changes: Any = {name: form.cleaned_data[name] for name in form.changed_data}
        if changes:
            schedules.change(actor=operator(request), schedule=obj, **changes)

    @admin.action(description="Pause: bring in no more tasks", permissions=["change"])
    def pause(self, request: HttpRequest, chosen: QuerySet[Schedule]) -> None:
        actor = operator(request)
        act_on_each(self, request, chosen, lambda one: schedules.pause(actor=actor, schedule=one), "Paused")

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, chosen: QuerySet[Schedule]) -> None:
        actor = operator(request)
        act_on_each(self, request, chosen, lambda one: schedules.resume(actor=actor, schedule=one), "Resumed")

    @admin.action(description="Run now: bring in a task", permissions=["change"])
    def run_now(self, request: HttpRequest, chosen: QuerySet[Schedule]) -> None:
        actor = operator(request)
        act_on_each(self, request, chosen, lambda one: schedules.run(actor=actor, schedule=one), "Run")

    @admin.action(description="Delete", permissions=["change"])
    def delete_them(self, request: HttpRequest, chosen: QuerySet[Schedule]) -> None:
        actor = operator(request)
        act_on_each(self, request, chosen, lambda one: schedules.delete(actor=actor, schedule=one), "Deleted")


@admin.register(ScheduleFire)
class ScheduleFireAdmin(ReadOnly, SafeModelAdmin[ScheduleFire]):
    """What became of each time at which a schedule was due, newest first."""

    list_display = ("schedule", "due_at", "outcome", "code", "count", "is_manual", "drift_seconds", "task")
    list_filter = ("outcome", "is_manual", "due_at")
    list_select_related = ("schedule", "task")
    search_fields = ("schedule__uuid", "schedule__name", "task__uuid")
    ordering = ("-id",)
    fields = readonly_fields = (
        "schedule", "due_at", "until_at", "count", "is_manual", "outcome", "code", "drift_seconds", "task", "at",
    )  # fmt: skip
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ScheduleFire]:
        # Long texts are what a list must not fetch.
        long = ("schedule__prompt", "schedule__input", "task__prompt", "task__result", "task__input")
        return super().get_queryset(request).defer(*long)
