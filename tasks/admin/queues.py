from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from tasks import queues
from tasks.admin.acting import VerbModelAdmin, act_on_each, operator
from tasks.models import Queue

LIMITS = ("concurrency_limit", "rate_limit", "rate_period_seconds")


@admin.register(Queue)
class QueueAdmin(VerbModelAdmin[Queue]):
    """Lanes of work. One without an owner is shared by everybody."""

    list_display = (
        "name",
        "owner",
        "concurrency_limit",
        "rate_limit",
        "rate_period_seconds",
        "is_paused",
        "created_at",
    )
    list_filter = ("is_paused", ("owner", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("owner",)
    search_fields = ("name", "uuid", "owner__username")
    fields = ("name", "owner", *LIMITS, "is_paused", "uuid", "created_at", "updated_at")
    readonly_fields = ("uuid", "created_at", "updated_at")
    autocomplete_fields = ("owner",)
    show_full_result_count = False
    actions = ("pause", "resume")

    def get_readonly_fields(self, request: HttpRequest, obj: Queue | None = None) -> tuple[str, ...]:
        machine_written = tuple(map(str, super().get_readonly_fields(request, obj)))
        return machine_written if obj is None else (*machine_written, "owner", "name")

    def has_delete_permission(self, request: HttpRequest, obj: Queue | None = None) -> bool:  # noqa: ARG002
        # The API deletes a queue when nothing uses it; here a cascade would be one click away.
        return False

    def save_model(self, request: HttpRequest, obj: Queue, form: ModelForm[Queue], change: bool) -> None:  # noqa: FBT001
        if not change:
            super().save_model(request, obj, form, change)
            return
        actor = operator(request)
        limits: Any = {name: getattr(obj, name) for name in LIMITS if name in form.changed_data}
        if limits:
            queues.change(actor=actor, queue=obj, **limits)
        if "is_paused" in form.changed_data:
            switch = queues.pause if obj.is_paused else queues.resume
            switch(actor=actor, queue=obj)

    @admin.action(description="Pause: start no more tasks", permissions=["change"])
    def pause(self, request: HttpRequest, chosen: QuerySet[Queue]) -> None:
        actor = operator(request)
        act_on_each(self, request, chosen, lambda queue: queues.pause(actor=actor, queue=queue), "Paused")

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, chosen: QuerySet[Queue]) -> None:
        actor = operator(request)
        act_on_each(self, request, chosen, lambda queue: queues.resume(actor=actor, queue=queue), "Resumed")
