"""Access tokens as a way to authenticate at the API."""

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts import scopes
from accounts.identity import Identity
from accounts.models import User
from accounts.second_factor import SecondFactorNeeded
from accounts.tokens import identity_of
from personalq.lib.errors import InvalidToken
from personalq.lib.view_scopes import scope_needed_by

SCHEME = "Bearer "


class TokenAuthentication(BaseAuthentication):
    """The header `Authorization: Bearer <token>`, in exactly this form.

    A request that brings the header is judged by it alone: with a wrong token no session helps. A personal token
    needs the scope that the view declares; where a view declares none, it opens nothing.
    """

    def authenticate(self, request: Request) -> tuple[User, Identity] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        try:
            identity = identity_of(_token_in(header))
        except SecondFactorNeeded:
            request.user, request.auth = AnonymousUser(), None
            raise
        # Also when it is refused: the page of an error asks whom it is for.
        request.user, request.auth = identity.user, identity
        # Here and not in the views: one that forgot to ask would be open to every token.
        scopes.require(identity, scope_needed_by((request.parser_context or {}).get("view"), request.method or ""))
        return identity.user, identity

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return SCHEME.strip()


def _token_in(header: str) -> str:
    if not header.startswith(SCHEME):
        raise InvalidToken
    return header.removeprefix(SCHEME)
