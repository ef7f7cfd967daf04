"""The form of access, refresh and socket tokens: JSON Web Tokens (RFC 7519), signed with HS256, of one sign-in.

A token names its user (`sub`), its family (`fam`, one sign-in) and a stamp: part of a keyed digest of the user's
password hash, session epoch and active flag. Whether these are still right is for `accounts.tokens` to find out.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self, cast
from uuid import UUID

from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token

from accounts.identity import stamp_of
from accounts.models import TokenFamily
from personalq.lib.errors import InvalidToken

# Ours have about 500. The limit keeps strangers from having much decoded.
MAX_TOKEN_CHARACTERS = 2048


class _Backend(TokenBackend):
    """Signs with the key of the settings, and reads what the other one there, if any, has signed, too."""

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - simplejwt's signature
        try:
            return super().decode(token, verify)
        except TokenBackendError:
            if not settings.JWT_OLD_SIGNING_KEY:
                raise
            return TokenBackend(self.algorithm, settings.JWT_OLD_SIGNING_KEY, **_DEMANDS).decode(token, verify)


_DEMANDS: Final[dict[str, Any]] = {"audience": api_settings.AUDIENCE, "issuer": api_settings.ISSUER}
_backend: Final = _Backend(api_settings.ALGORITHM, api_settings.SIGNING_KEY, **_DEMANDS)


class FamilyToken(Token):
    """What all kinds have in common."""

    @classmethod
    def of(cls, family: TokenFamily) -> Self:
        """A new token of the family, which ends with the family at the latest."""
        token = cls()
        token["sub"] = str(family.user.uuid)
        token["fam"] = str(family.uuid)
        token["stamp"] = stamp_of(family.user)
        token["exp"] = min(token["exp"], int(family.expires_at.timestamp()))
        return token

    def get_token_backend(self) -> TokenBackend:
        return _backend

    @property
    def expires_at(self) -> datetime:
        return datetime.fromtimestamp(self["exp"], UTC)


class AccessToken(FamilyToken):
    """Opens the API and the socket for minutes."""

    token_type = "access"
    lifetime = api_settings.ACCESS_TOKEN_LIFETIME


class SocketToken(FamilyToken):
    """Opens the socket for the scripts of a page, and nothing else: whoever reads it there gets no API by it."""

    token_type = "socket"
    lifetime = api_settings.ACCESS_TOKEN_LIFETIME


class RefreshToken(FamilyToken):
    """Buys one new pair."""

    token_type = "refresh"
    lifetime = api_settings.REFRESH_TOKEN_LIFETIME


@dataclass(frozen=True)
class Claims:
    """What a token says, once its signature is known to be ours."""

    user: UUID
    family: UUID
    stamp: str
    id: str
    expires_at: datetime


def read(text: str, *kinds: type[FamilyToken]) -> Claims:
    """The claims of a token of one of these kinds. Raises InvalidToken when it is anything else, or expired."""
    if len(text) > MAX_TOKEN_CHARACTERS:
        raise InvalidToken
    for kind in kinds:
        # The last two: times beyond what the clock knows.
        with suppress(TokenError, KeyError, TypeError, ValueError, OverflowError, OSError):
            # simplejwt takes text here, whatever it declares.
            return _claims(kind(cast("Any", text)))
    raise InvalidToken


def _claims(token: FamilyToken) -> Claims:
    return Claims(
        user=UUID(_text(token["sub"])),
        family=UUID(_text(token["fam"])),
        stamp=_text(token["stamp"]),
        id=_text(token["jti"]),
        expires_at=token.expires_at,
    )


def _text(claim: object) -> str:
    if not isinstance(claim, str):
        raise TypeError
    claim.encode("ascii")
    return claim
