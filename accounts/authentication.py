"""Access tokens as a way to authenticate at the API."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.models import User
from accounts.tokens import Identity, identity_of
from personalq.lib.errors import InvalidToken

SCHEME = "Bearer "


class TokenAuthentication(BaseAuthentication):
    """The header `Authorization: Bearer <token>`, in exactly this form.

    A request that brings the header is judged by it alone: with a wrong token no session helps.
    """

    def authenticate(self, request: Request) -> tuple[User, Identity] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        identity = identity_of(_token_in(header))
        return identity.user, identity

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return SCHEME.strip()


def _token_in(header: str) -> str:
    if not header.startswith(SCHEME):
        raise InvalidToken
    return header.removeprefix(SCHEME)
