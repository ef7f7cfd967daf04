"""Approvals: list, read, approve and deny."""

from typing import ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from personalq.lib.negotiation import JsonWithoutType
from personalq.lib.openapi import conflict
from personalq.lib.pagination import PageParameters
from tasks import access, lifecycle
from tasks.api import approval_forms as forms
from tasks.api.approval_rows import approval_in_full, approval_row, approval_rows
from tasks.api.base import ApiView, ObjectView, read_body
from tasks.api.filters import owned
from tasks.models import Approval

_WRITE_LIMIT = ("task-change", "PERSONALQ_RATE_TASK_CHANGE")
_DECIDED = (
    "`approval_decided`: somebody has answered, it has expired, or the task is over; read it again. "
    "The same answer of the same person again is 200 and changes nothing."
)


class ApprovalList(ApiView):
    """What waits for your answer, and what was answered."""

    scope: ClassVar[str] = "approvals"
    query_class = forms.ApprovalQuery

    @extend_schema(
        operation_id="list_approvals",
        summary="List approvals",
        description="Newest first. Long prompts are cut.",
        tags=["approvals"],
        parameters=[forms.ApprovalQuery, PageParameters],
        responses={200: forms.ApprovalPage},
    )
    def get(self, request: Request) -> Response:
        rows = owned(self.user, self.query, own=access.approvals_of, everybodys=access.everybodys_approvals)
        if "state" in self.query:
            rows = rows.filter(state=self.query["state"])
        return self.page(approval_rows(rows), approval_row(request))


class OneApprovalView(ObjectView[Approval]):
    """What all routes about one approval share."""

    scope: ClassVar[str] = "approvals"

    def fetch(self, uuid: UUID, deed: access.Deed) -> Approval:
        return access.approval_for(self.user, uuid, deed)

    def answer_anew(self) -> Response:
        """The approval as the database has it now."""
        return Response(approval_in_full(self.find("view"), self.request))


class OneApproval(OneApprovalView):
    """One approval."""

    @extend_schema(
        operation_id="get_approval",
        summary="Read what is asked, and why",
        tags=["approvals"],
        responses={200: forms.Approval},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        return self.answer_anew()


class ApproveTask(OneApprovalView):
    """Letting a task run."""

    rate_limits: ClassVar = {"POST": _WRITE_LIMIT}

    @extend_schema(
        operation_id="approve",
        summary="Let the task run",
        description="Holds for exactly the text of `text_digest`. The task is ready again.",
        tags=["approvals"],
        request=forms.ApproveForm,
        responses={
            200: forms.Approval,
            **conflict(f"`approval_text_changed`: the text is not the one that you have seen. {_DECIDED}"),
        },
    )
    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        approval = self.find("change")
        lifecycle.approve(actor=self.user, approval=approval, **read_body(forms.ApproveForm, request))
        return self.answer_anew()


class DenyTask(OneApprovalView):
    """Not letting a task run."""

    content_negotiation_class = JsonWithoutType
    rate_limits: ClassVar = {"POST": _WRITE_LIMIT}

    @extend_schema(
        operation_id="deny",
        summary="Do not let the task run",
        description="The task is cancelled. A retry asks anew.",
        tags=["approvals"],
        request=forms.DenyForm,
        responses={200: forms.Approval, **conflict(_DECIDED)},
    )
    def post(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        approval = self.find("change")
        lifecycle.deny(actor=self.user, approval=approval, **read_body(forms.DenyForm, request))
        return self.answer_anew()
