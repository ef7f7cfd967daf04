from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from personalq.lib.admin import ReadOnly, SafeModelAdmin
from tasks.admin.acting import VerbModelAdmin, operator
from tasks.models import AttemptSpending, Budget, Spending
from tasks.spending import budget_changes

LIMITS = ("token_limit", "cost_limit")


class BudgetForm(forms.ModelForm[Budget]):
    class Meta:
        model = Budget
        fields = ("owner", "agent", "scope", *LIMITS)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        agent, owner = cleaned.get("agent"), cleaned.get("owner")
        if agent is not None and owner is not None and agent.owner_id != owner.pk:
            self.add_error("agent", "Choose an agent of this owner.")
        if not self.errors and all(cleaned.get(name) is None for name in LIMITS):
            self.add_error(None, "Limit tokens, cost or both.")
        return cleaned


@admin.register(Budget)
class BudgetAdmin(VerbModelAdmin[Budget]):
    """What users and their agents may spend. One that is made here is the operators': its user cannot change it."""

    form = BudgetForm
    list_display = ("owner", "agent", "scope", *LIMITS, "is_by_operator", "created_at")
    list_filter = ("scope", "is_by_operator", "created_at")
    list_select_related = ("owner", "agent")
    search_fields = ("uuid", "owner__username", "agent__name")
    ordering = ("-id",)
    readonly_fields = ("is_by_operator", "uuid", "created_at", "updated_at")
    autocomplete_fields = ("owner", "agent")
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: Budget | None = None) -> tuple[str, ...]:
        machine_written = tuple(map(str, super().get_readonly_fields(request, obj)))
        return machine_written if obj is None else (*machine_written, "owner", "agent", "scope")

    def save_model(self, request: HttpRequest, obj: Budget, form: BudgetForm, change: bool) -> None:  # noqa: FBT001
        actor = operator(request)
        if change:
            limits: Any = {name: form.cleaned_data[name] for name in form.changed_data}
            budget_changes.change(actor=actor, budget=obj, **limits)
            return
        made = budget_changes.create(actor=actor, is_by_operator=True, **form.cleaned_data)
        # The admin goes on with the object that it was given.
        obj.pk, obj.uuid, obj.is_by_operator = made.pk, made.uuid, True


@admin.register(Spending)
class SpendingAdmin(ReadOnly, SafeModelAdmin[Spending]):
    """What agents spent in each month, and what those that run have reserved."""

    list_display = ("month", "owner", "agent", "tokens", "cost", "tokens_reserved", "cost_reserved")
    list_filter = ("month",)
    list_select_related = ("owner", "agent")
    search_fields = ("owner__username", "agent__name")
    ordering = ("-month", "-id")
    fields = readonly_fields = list_display
    show_full_result_count = False


@admin.register(AttemptSpending)
class AttemptSpendingAdmin(ReadOnly, SafeModelAdmin[AttemptSpending]):
    """What single attempts reserved and spent, newest first."""

    list_display = (
        "task", "attempt", "tokens_in", "tokens_out", "cost", "tokens_reserved", "cost_reserved", "settled_at",
    )  # fmt: skip
    list_filter = ("settled_at",)
    list_select_related = ("task",)
    search_fields = ("task__uuid",)
    ordering = ("-id",)
    fields = readonly_fields = list_display
    show_full_result_count = False
