"""Personal tokens: list, create, read and revoke. Only whoever signed in may: no view here declares a scope."""

from collections.abc import Callable
from typing import Any, ClassVar, Final
from uuid import UUID

from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.api import token_forms as forms
from accounts.api.base import READ_LIMIT, ApiView, Deed, ObjectView, created, read_body
from accounts.api.idempotent import IdempotentPost
from accounts.models import PersonalToken, User
from accounts.tokens import personal_tokens, token_access
from personalq.lib.errors import InvalidInput
from personalq.lib.openapi import conflict, no_content
from personalq.lib.pagination import PageParameters

WRITE_LIMIT: Final = ("token-change", "PERSONALQ_RATE_TOKEN_CHANGE")
EVERYBODY: Final = "all"


class TokenList(IdempotentPost, ApiView):
    """Your personal tokens."""

    query_class = forms.TokenQuery
    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "POST": WRITE_LIMIT}
    answer_holds_secret: ClassVar[bool] = True

    @extend_schema(
        operation_id="list_tokens",
        summary="List your personal tokens",
        tags=["tokens"],
        parameters=[forms.TokenQuery, PageParameters],
        responses={200: forms.PersonalTokenPage},
    )
    def get(self, request: Request) -> Response:
        return self.page(self._wanted(), token_row(request))

    @extend_schema(
        operation_id="create_token",
        summary="Make a personal token",
        description=(
            "The answer is the only one that holds the token itself. It is kept nowhere: a request that is repeated "
            "with its `Idempotency-Key` is answered `idempotency_key_used`. Personal tokens cannot make others."
        ),
        tags=["tokens"],
        request=forms.PersonalTokenForm,
        responses={
            201: forms.NewPersonalToken,
            **conflict(
                "`name_taken`: you have a token of this name. `quota_reached`: you have as many as you may. "
                "`idempotency_key_used`: the token was made before and cannot be shown again."
            ),
        },
    )
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        new = personal_tokens.create(actor=self.user, **read_body(forms.PersonalTokenForm, request))
        return created({**token_row(request)(new.token), "token": new.text})

    def _wanted(self) -> QuerySet[PersonalToken]:
        owner = self.query.get("owner")
        if owner is None:
            return token_access.tokens_of(self.user)
        rows = token_access.everybodys_tokens(self.user)
        return rows if owner == EVERYBODY else rows.filter(user=_user_of(owner))


class OneToken(ObjectView[PersonalToken]):
    """One personal token."""

    rate_limits: ClassVar = {"GET": READ_LIMIT, "HEAD": READ_LIMIT, "DELETE": WRITE_LIMIT}

    def fetch(self, uuid: UUID, deed: Deed) -> PersonalToken:
        return token_access.token_for(self.user, uuid, deed)

    @extend_schema(
        operation_id="get_token",
        summary="Read what is known of a personal token",
        tags=["tokens"],
        responses={200: forms.PersonalToken},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        return Response(token_row(request)(self.find("view")))

    @extend_schema(
        operation_id="revoke_token",
        summary="Revoke a personal token",
        description="It ends at once, with the sockets that it opened. Repeating it is harmless.",
        tags=["tokens"],
        responses=no_content("The token has ended."),
    )
    def delete(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        personal_tokens.revoke(actor=self.user, token=self.find("change"))
        return Response(status=204)


def _user_of(name: str) -> User:
    found = User.objects.filter(username=name).first()
    if found is None:
        raise InvalidInput.for_field("owner", "not_found", "There is no user of this name.")
    return found


def token_row(request: Request) -> Callable[[PersonalToken], dict[str, Any]]:
    """A token as clients see it."""
    base = reverse("api-tokens", request=request)

    def represent(token: PersonalToken) -> dict[str, Any]:
        return {
            "uuid": token.uuid,
            "name": token.name,
            "prefix": token.prefix,
            "scopes": token.scopes,
            "state": token.state,
            "owner": token.user.get_username(),
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "last_used_at": token.last_used_at,
            "revoked_at": token.revoked_at,
            "revoked_reason": token.revoked_reason,
            "url": f"{base}/{token.uuid}",
        }

    return represent
