"""Invitations: list, make, read and withdraw. For operators who have signed in: no view here declares a scope."""

from collections.abc import Callable
from typing import Any, ClassVar, Final
from uuid import UUID

from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts import invitations
from accounts.api import invitation_forms as forms
from accounts.api.base import READ_LIMIT, ApiView, Deed, ObjectView, created, read_body
from accounts.api.idempotent import IdempotentPost
from accounts.models import OneTimeCode
from personalq.lib.openapi import conflict, no_content
from personalq.lib.pagination import PageParameters
from personalq.lib.queries import ListQuery

WRITE_LIMIT: Final = ("invitation", "PERSONALQ_RATE_INVITATION")


class InvitationList(IdempotentPost, ApiView):
    """Invitations to this installation."""

    query_class = ListQuery
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "POST": WRITE_LIMIT}
    answer_holds_secret: ClassVar[bool] = True

    @extend_schema(
        operation_id="list_invitations",
        summary="List the invitations",
        tags=["invitations"],
        parameters=[PageParameters],
        responses={200: forms.InvitationPage},
    )
    def get(self, request: Request) -> Response:
        return self.page(invitations.invitations_for(self.user), invitation_row(request))

    @extend_schema(
        operation_id="create_invitation",
        summary="Invite somebody",
        description=(
            "The answer is the only one that holds the link. It is kept nowhere: a request that is repeated with its "
            "`Idempotency-Key` is answered `idempotency_key_used`. Where e-mails are sent, the link goes to the "
            "address, too."
        ),
        tags=["invitations"],
        request=forms.InvitationForm,
        responses={
            201: forms.NewInvitation,
            **conflict(
                "`name_taken`: somebody has this user name. `idempotency_key_used`: the invitation was made before and "
                "its link cannot be shown again."
            ),
        },
    )
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        wanted = read_body(forms.InvitationForm, request)
        wanted["is_staff"] = wanted.pop("is_operator")
        new = invitations.make(actor=self.user, **wanted)
        return created({**invitation_row(request)(new.row), "link": new.link})


class OneInvitation(ObjectView[OneTimeCode]):
    """One invitation."""

    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "DELETE": WRITE_LIMIT}

    def fetch(self, uuid: UUID, deed: Deed) -> OneTimeCode:  # noqa: ARG002 - who may see one may withdraw it
        return invitations.invitation_for(self.user, uuid)

    @extend_schema(
        operation_id="get_invitation",
        summary="Read what is known of an invitation",
        tags=["invitations"],
        responses={200: forms.Invitation},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        return Response(invitation_row(request)(self.find("view")))

    @extend_schema(
        operation_id="withdraw_invitation",
        summary="Withdraw an invitation",
        description="Its link opens nothing any more. Repeating it is harmless.",
        tags=["invitations"],
        responses={
            **no_content("The invitation is over."),
            **conflict("`invitation_used`: there is an account now."),
        },
    )
    def delete(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        invitations.withdraw(actor=self.user, invitation=self.find("change"))
        return Response(status=204)


def invitation_row(request: Request) -> Callable[[OneTimeCode], dict[str, Any]]:
    """An invitation as clients see it."""
    base = reverse("api-invitations", request=request)

    def represent(row: OneTimeCode) -> dict[str, Any]:
        return {
            "uuid": row.uuid,
            "email": row.details["email"],
            "username": row.details["username"],
            "is_operator": row.details["is_staff"],
            "state": invitations.state_of(row),
            "mail": row.details["mail"],
            "made_by": row.made_by.get_username() if row.made_by else None,
            "account": row.user.get_username() if row.user else None,
            "created_at": row.created_at,
            "expires_at": row.expires_at,
            "used_at": row.used_at,
            "url": f"{base}/{row.uuid}",
        }

    return represent
