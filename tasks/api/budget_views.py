"""Budgets: list, create, read, change and delete; and what was used."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Sum
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.idempotent import IdempotentPost
from accounts.models import User
from personalq.lib.openapi import conflict, no_content
from personalq.lib.pagination import KeysetPagination, PageParameters
from tasks import access
from tasks.api import budget_forms as forms
from tasks.api import references
from tasks.api.base import READ_LIMIT, ApiView, ObjectView, created, read_body
from tasks.api.budget_rows import budgets_in_full, money, month_in_words, usage_row
from tasks.api.filters import OwnerQuery, owned
from tasks.clock import database_now
from tasks.models import Agent, Budget
from tasks.spending import budget_changes
from tasks.spending.budgets import month_of

_WRITE_LIMIT = ("agent-change", "PERSONALQ_RATE_AGENT_CHANGE")


class BudgetList(IdempotentPost, ApiView):
    """Your budgets."""

    scope: ClassVar[str] = "budgets"
    query_class = OwnerQuery
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "POST": _WRITE_LIMIT}

    @extend_schema(
        operation_id="list_budgets",
        summary="List budgets",
        description="Your own, and those that the operators have set for you.",
        tags=["budgets"],
        parameters=[OwnerQuery, PageParameters],
        responses={200: forms.BudgetPage},
    )
    def get(self, request: Request) -> Response:
        rows = owned(self.user, self.query, own=access.budgets_of, everybodys=access.everybodys_budgets)
        pages = KeysetPagination()
        found = pages.paginate_queryset(rows.select_related("agent", "owner"), request, view=self) or []
        return pages.get_paginated_response(budgets_in_full(found, request))

    @extend_schema(
        operation_id="create_budget",
        summary="Create a budget",
        description="Operators may name the `owner` whose spending it limits.",
        tags=["budgets"],
        request=forms.BudgetForm,
        responses={
            201: forms.Budget,
            **conflict("`budget_taken`: there is one for this agent and scope. `conflict`: the agent was deleted."),
        },
    )
    def post(self, request: Request) -> Response:
        body = read_body(forms.BudgetForm, request)
        owner = _owner_of_new(self.user, body.pop("owner", None))
        agent = _agent_of_new(owner or self.user, body.pop("agent", None))
        budget = budget_changes.create(
            actor=self.user, owner=owner or self.user, agent=agent, is_by_operator=owner is not None, **body
        )
        return created(budgets_in_full([budget], request)[0])


class OneBudget(ObjectView[Budget]):
    """One budget."""

    scope: ClassVar[str] = "budgets"
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "PATCH": _WRITE_LIMIT, "DELETE": _WRITE_LIMIT}

    def fetch(self, uuid: UUID, deed: access.Deed) -> Budget:
        return access.budget_for(self.user, uuid, deed)

    @extend_schema(
        operation_id="get_budget",
        summary="Read a budget and what is spent of it",
        tags=["budgets"],
        responses={200: forms.Budget},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        return Response(budgets_in_full([self.find("view")], request)[0])

    @extend_schema(
        operation_id="change_budget",
        summary="Change the limits of a budget",
        description="What is not sent stays. A budget that the operators have set is changed by operators only.",
        tags=["budgets"],
        request=forms.BudgetChanges,
        responses={200: forms.Budget},
    )
    def patch(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        budget = self.find("change")
        changed = budget_changes.change(actor=self.user, budget=budget, **read_body(forms.BudgetChanges, request))
        return Response(budgets_in_full([changed], request)[0])

    @extend_schema(
        operation_id="delete_budget",
        summary="Delete a budget",
        description="What was spent stays counted.",
        tags=["budgets"],
        responses=no_content("The budget is deleted."),
    )
    def delete(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        budget_changes.delete(actor=self.user, budget=self.find("change"))
        return Response(status=204)


class UsageView(ApiView):
    """What your agents have used."""

    scope: ClassVar[str] = "budgets"
    query_class = forms.UsageQuery

    @extend_schema(
        operation_id="get_usage",
        summary="Read what was used, by agent and month",
        description=f"At most {forms.MOST_USAGE_ROWS} rows, the latest month first.",
        tags=["budgets"],
        parameters=[forms.UsageQuery],
        responses={200: forms.Usage},
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 - a view's signature
        everything = owned(self.user, self.query, own=access.spending_of, everybodys=access.everybodys_spending)
        rows = everything.filter(month__gte=_first_month(self.query.get("months", 1)))
        # One more than is shown tells whether there is more.
        ordered = rows.select_related("agent", "owner").order_by("-month", "-cost", "-tokens", "id")
        found = list(ordered[: forms.MOST_USAGE_ROWS + 1])
        totals = rows.order_by("-month").values("month").annotate(all_tokens=Sum("tokens"), all_cost=Sum("cost"))
        body = {
            "results": [usage_row(spending) for spending in found[: forms.MOST_USAGE_ROWS]],
            "totals": [_total(row) for row in totals],
            "is_cut": len(found) > forms.MOST_USAGE_ROWS,
        }
        return Response(body)


def _owner_of_new(user: User, name: str | None) -> User | None:
    """The user whom an operator names; None when nobody is named. Raises PermissionDenied."""
    if name is None:
        return None
    access.everybodys_budgets(user, "change")
    return references.owner_to_list(name)


def _agent_of_new(owner: User, name: str | None) -> Agent | None:
    return None if name is None else references.agent_to_use(owner, name)


def _first_month(months: int) -> date:
    month = month_of(database_now())
    for _ in range(months - 1):
        month = month_of_day_before(month)
    return month


def month_of_day_before(first: date) -> date:
    """The month before the one that begins on this day."""
    return (first - timedelta(days=1)).replace(day=1)


def _total(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"month": month_in_words(row["month"]), "tokens": int(row["all_tokens"]), "cost": money(row["all_cost"])}
