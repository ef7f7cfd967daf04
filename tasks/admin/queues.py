from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from personalq.lib.admin import SafeModelAdmin
from tasks import queues
from tasks.admin.acting import act_on_each, operator
from tasks.models import Queue


@admin.register(Queue)
class QueueAdmin(SafeModelAdmin[Queue]):
    """Lanes of work. One without an owner is shared by everybody."""

    list_display = ("name", "owner", "concurrency_limit", "is_paused", "created_at")
    list_filter = ("is_paused", ("owner", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("owner",)
    search_fields = ("name", "uuid", "owner__username")
    fields = ("name", "owner", "concurrency_limit", "is_paused", "uuid", "created_at", "updated_at")
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
        super().save_model(request, obj, form, change)
        if change and not obj.is_paused:
            queues.resume(actor=operator(request), queue=obj)

    @admin.action(description="Pause: start no more tasks", permissions=["change"])
    def pause(self, request: HttpRequest, chosen: QuerySet[Queue]) -> None:
        actor = operator(request)
        act_on_each(self, request, chosen, lambda queue: queues.pause(actor=actor, queue=queue), "Paused")

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, chosen: QuerySet[Queue]) -> None:
        actor = operator(request)
        act_on_each(self, request, chosen, lambda queue: queues.resume(actor=actor, queue=queue), "Resumed")
