from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from personalq.lib.admin import SafeModelAdmin
from tasks import agents
from tasks.admin.acting import act_on_each, operator
from tasks.models import Agent
from tasks.runners import KINDS, RUNNERS


class AgentForm(forms.ModelForm[Agent]):
    kind = forms.ChoiceField(choices=[(kind, RUNNERS[kind].label) for kind in KINDS])

    class Meta:
        model = Agent
        fields = (
            "name", "owner", "kind", "description", "queue", "config",
            "concurrency_limit", "timeout_seconds", "output_limit_bytes", "max_attempts",
        )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        kind = cleaned.get("kind") or self.instance.kind
        if kind in RUNNERS and "config" in cleaned:
            form = RUNNERS[kind].config_class(data=cleaned["config"])
            if not form.is_valid():
                for name, complaints in form.errors.items():
                    self.add_error("config", f"{name}: {' '.join(map(str, complaints))}")
        return cleaned


@admin.register(Agent)
class AgentAdmin(SafeModelAdmin[Agent]):
    """Configurations that carry tasks out. Deleted ones stay behind the history of their tasks."""

    form = AgentForm
    list_display = ("name", "owner", "kind", "queue", "concurrency_limit", "created_at", "deleted_at")
    list_filter = ("kind", ("deleted_at", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("owner", "queue")
    search_fields = ("name", "uuid", "owner__username", "description")
    readonly_fields = ("uuid", "created_at", "updated_at", "deleted_at")
    autocomplete_fields = ("owner", "queue")
    show_full_result_count = False
    actions = ("delete_unused",)

    def get_readonly_fields(self, request: HttpRequest, obj: Agent | None = None) -> tuple[str, ...]:
        machine_written = tuple(map(str, super().get_readonly_fields(request, obj)))
        return machine_written if obj is None else (*machine_written, "owner", "kind")

    def has_delete_permission(self, request: HttpRequest, obj: Agent | None = None) -> bool:  # noqa: ARG002
        return False

    @admin.action(description="Delete: agents without unfinished tasks", permissions=["change"])
    def delete_unused(self, request: HttpRequest, chosen: QuerySet[Agent]) -> None:
        actor = operator(request)
        act_on_each(self, request, chosen, lambda agent: agents.delete(actor=actor, agent=agent), "Deleted")
