"""Budgets: what may be spent and what was, and setting, changing and deleting limits."""

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from personalq.lib.errors import AppError, InvalidInput
from personalq.lib.translation import app_error_from
from realtime.forms.budgets import BudgetForm, BudgetLimitsForm
from realtime.views.answers import Limit, limit_person, posted, show_form
from realtime.views.doors import page, person
from realtime.views.paging import page_of
from realtime.views.queries import NeighbourQuery, NewBudgetQuery, NothingAsked
from realtime.views.spending import months_of, shown_budgets
from tasks import access
from tasks.models import Budget
from tasks.spending import budget_changes

PAGE_SIZE: Final = 24
WRITE_LIMIT: Final = Limit(group="agent-change", rate="PERSONALQ_RATE_AGENT_CHANGE")


@page("GET")
def show_list(request: HttpRequest) -> HttpResponse:
    """A page of the budgets that hold for the user, and what each agent spent in the last months."""
    user, wanted = person(request), NeighbourQuery.read(request)
    own = access.budgets_of(user)
    rows = own.select_related("agent")
    found = page_of(rows, among=own, size=PAGE_SIZE, before=wanted.get("before"), after=wanted.get("after"))
    context = {
        "section": "budgets",
        "page": found,
        "shown": shown_budgets(user, user.pk, found.rows),
        "months": months_of(user),
    }
    return render(request, "pages/budget_list.html", context)


@page("GET", "POST")
def new(request: HttpRequest) -> HttpResponse:
    """The form of a new budget; `?agent=` chooses one beforehand."""
    user, wanted = person(request), NewBudgetQuery.read(request)
    agent = access.agent_for(user, wanted["agent"]).uuid if "agent" in wanted else None
    form = BudgetForm(user, posted(request), initial={"agent": agent})
    refusal = _create(request, form) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, "The budget is set.")
        return redirect("budget-list")
    return show_form(request, "pages/budget_new.html", {"section": "budgets", "form": form}, refusal=refusal)


@page("GET", "POST")
def edit(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One budget: how much of it is gone and, for whoever may change it, its limits."""
    NothingAsked.read(request)
    budget = access.budget_for(person(request), uuid, "change" if request.method == "POST" else "view")
    initial = {"token_limit": budget.token_limit, "cost_limit": budget.cost_limit}
    form = BudgetLimitsForm(posted(request), initial=initial)
    refusal = _change(request, form, budget) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, "The budget is saved.")
        return redirect("budget-list")
    return show_form(request, "pages/budget.html", {**_context(request, budget), "form": form}, refusal=refusal)


@page("GET", "POST")
def delete(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Asks whether that is meant, then deletes."""
    NothingAsked.read(request)
    budget = access.budget_for(person(request), uuid, "change")
    refusal = _delete(request, budget) if request.method == "POST" else None
    if request.method == "POST" and refusal is None:
        messages.success(request, "The budget is deleted. It limits nothing any more.")
        return redirect("budget-list")
    return show_form(
        request, "pages/budget_delete.html", {**_context(request, budget), "refusal": refusal}, refusal=refusal
    )


def _context(request: HttpRequest, budget: Budget) -> dict[str, Any]:
    one = shown_budgets(person(request), budget.owner_id, [budget])[0]
    return {"section": "budgets", "budget": budget, "one": one}


def _create(request: HttpRequest, form: BudgetForm) -> AppError | None:
    user = person(request)
    try:
        _check(request, form)
        budget_changes.create(actor=user, owner=user, **form.cleaned_data)
    except (AppError, ValidationError) as error:
        return _refuse(form, error)
    return None


def _change(request: HttpRequest, form: BudgetLimitsForm, budget: Budget) -> AppError | None:
    try:
        _check(request, form)
        budget_changes.change(actor=person(request), budget=budget, **form.cleaned_data)
    except (AppError, ValidationError) as error:
        return _refuse(form, error)
    return None


def _delete(request: HttpRequest, budget: Budget) -> AppError | None:
    try:
        limit_person(request, WRITE_LIMIT)
        budget_changes.delete(actor=person(request), budget=budget)
    except AppError as refusal:
        return refusal
    return None


def _check(request: HttpRequest, form: BudgetLimitsForm) -> None:
    limit_person(request, WRITE_LIMIT)
    if not form.is_valid():
        raise InvalidInput


def _refuse(form: BudgetLimitsForm, error: Exception) -> AppError:
    refusal = app_error_from(error) or AppError()
    # What the form itself found stands at its fields already.
    if refusal.errors or not isinstance(refusal, InvalidInput):
        form.take(refusal)
    return refusal
