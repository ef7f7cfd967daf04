"""Access and refresh tokens: signed, short-lived, and good only as long as their sign-in is.

A token names its user (`sub`), its family (`fam`, one sign-in) and a stamp: part of a keyed digest of the
user's password hash, session epoch and active flag. Each use reads family and user anew, so what ends a
sign-in (sign-out, reuse, a new password, deactivation, deletion, an operator) ends its tokens at once.

Refresh tokens work once. Whoever brings one again ends the whole family, because nobody can tell the owner
from a thief who was faster. That holds for parallel requests too, without a period of grace: exactly one gets
a new pair, and the others end it. A client therefore refreshes in one place at a time, and signs in again
when an answer got lost.
"""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self, cast
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token

from accounts.models import TokenFamily, User
from personalq.lib.errors import InvalidToken, NotAuthenticated

# Ours have about 500. The limit keeps strangers from having much decoded.
MAX_TOKEN_CHARACTERS = 2048
STAMP_CHARACTERS = 32

# What a signed-in socket stands on: the key of its user, its family and the user's stamp.
Standing = tuple[int, UUID, str]

_logger = logging.getLogger("personalq.accounts")


class FamilyToken(Token):
    """What access and refresh tokens have in common."""

    @classmethod
    def of(cls, family: TokenFamily) -> Self:
        """A new token of the family, which ends with the family at the latest."""
        token = cls()
        token["sub"] = str(family.user.uuid)
        token["fam"] = str(family.uuid)
        token["stamp"] = stamp_of(family.user)
        token["exp"] = min(token["exp"], int(family.expires_at.timestamp()))
        return token

    @property
    def expires_at(self) -> datetime:
        return datetime.fromtimestamp(self["exp"], UTC)


class AccessToken(FamilyToken):
    """Opens the API and the socket for minutes."""

    token_type = "access"
    lifetime = api_settings.ACCESS_TOKEN_LIFETIME


class RefreshToken(FamilyToken):
    """Buys one new pair."""

    token_type = "refresh"
    lifetime = api_settings.REFRESH_TOKEN_LIFETIME


@dataclass(frozen=True)
class TokenPair:
    """What a client gets for a sign-in or a refresh. `expires_at` is the end of the access token."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class Identity:
    """Whom an access token stands for, and until when."""

    user: User
    family: TokenFamily
    expires_at: datetime

    @property
    def standing(self) -> Standing:
        """What `still_valid` wants to know of this identity."""
        return self.user.pk, self.family.uuid, stamp_of(self.user)


@dataclass(frozen=True)
class _Claims:
    user: UUID
    family: UUID
    stamp: str
    id: str
    expires_at: datetime


def stamp_of(user: User) -> str:
    """What the user's tokens must carry now."""
    return user.get_session_auth_hash()[:STAMP_CHARACTERS]


def issue_pair(user: User) -> TokenPair:
    """Begin a family: the answer to a successful sign-in."""
    family = TokenFamily(user=user, expires_at=timezone.now() + settings.PERSONALQ_SIGN_IN_LIFETIME)
    pair = _sign_pair(family)
    family.save()
    return pair


def rotate(refresh: str) -> TokenPair:
    """Exchange a refresh token for a new pair.

    Raises:
        InvalidToken: It is wrong, expired, revoked or was used before; the last also revokes its family.
    """
    claims = _read(RefreshToken, refresh)
    # Durable: the error is raised after the commit, so that it cannot roll a revocation back.
    with transaction.atomic(durable=True):
        pair = _next_pair(claims)
    if pair is None:
        raise InvalidToken
    return pair


def revoke(family: TokenFamily, reason: str) -> None:
    """End all tokens of a family, and the session of a browser with them. The first reason stays."""
    with transaction.atomic():
        TokenFamily.objects.filter(pk=family.pk, revoked_at=None).update(revoked_at=Now(), revoked_reason=reason)
        Session.objects.filter(pk=family.session_id).delete()


def sign_out(refresh: str) -> None:
    """Revoke the family of a refresh token, used or not. Doing it again, or too late, changes nothing.

    Raises:
        InvalidToken: It is no refresh token of ours, or expired: the caller should know that nothing ended.
    """
    claims = _read(RefreshToken, refresh)
    family = TokenFamily.objects.filter(uuid=claims.family).first()
    if family is not None:
        revoke(family, "sign-out")


def sign_out_everywhere(user: User, reason: str) -> None:
    """End every session and token of a user."""
    with transaction.atomic():
        # The epoch ends sessions and pending tokens; the families are marked for those who look later.
        User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
        TokenFamily.objects.filter(user=user, revoked_at=None).update(revoked_at=Now(), revoked_reason=reason)


def identity_of(access_token: str) -> Identity:
    """Whom an access token stands for, in one query.

    Raises:
        InvalidToken: Anything about it is wrong, or no longer right.
    """
    claims = _read(AccessToken, access_token)
    family = _live_family(claims)
    if family is None:
        raise InvalidToken
    return Identity(user=family.user, family=family, expires_at=claims.expires_at)


def still_valid(standings: Iterable[Standing]) -> set[Standing]:
    """Those of many sockets' standings that are still good, in one query."""
    wanted = set(standings)
    families = (
        TokenFamily.objects.live()
        .filter(uuid__in={family for _, family, _ in wanted})
        .select_related("user")
        .only("uuid", "user__password", "user__session_epoch", "user__is_active")
    )
    return wanted & {(family.user_id, family.uuid, stamp_of(family.user)) for family in families}


def page_token(request: HttpRequest) -> str:
    """A new access token for the scripts of a page, which ends with the browser's session.

    Raises:
        NotAuthenticated: Nobody is signed in, or the session was ended just now.
    """
    user = request.user
    if not isinstance(user, User):
        raise NotAuthenticated
    if request.session.session_key is None:
        request.session.save()
    try:
        family, _ = TokenFamily.objects.select_related("user").get_or_create(
            session_id=request.session.session_key,
            user=user,
            defaults={"kind": TokenFamily.Kind.PAGE, "expires_at": request.session.get_expiry_date()},
        )
    except IntegrityError:  # the row of the session is gone, or belongs to somebody else by now
        raise NotAuthenticated from None
    return str(AccessToken.of(_prolonged(family, request)))


def _prolonged(family: TokenFamily, request: HttpRequest) -> TokenFamily:
    """The family of a session that has been in use for so long that its own end is near."""
    if family.expires_at < timezone.now() + AccessToken.lifetime:
        family.expires_at = request.session.get_expiry_date()
        family.save(update_fields=["expires_at"])
    return family


def _next_pair(claims: _Claims) -> TokenPair | None:
    family = _live_family(claims, for_update=True)
    if family is None:
        return None
    if not constant_time_compare(family.refresh_digest, _digest(claims.id)):
        revoke(family, "reuse")
        _logger.warning("A refresh token was used twice", extra={"fields": {"family": str(family.uuid)}})
        return None
    pair = _sign_pair(family)
    family.save(update_fields=["refresh_digest"])
    return pair


def _live_family(claims: _Claims, *, for_update: bool = False) -> TokenFamily | None:
    families = TokenFamily.objects.live().select_related("user")
    if for_update:
        # The family alone: a user's other sign-ins need not wait.
        families = families.select_for_update(of=("self",))
    family = families.filter(uuid=claims.family, user__uuid=claims.user).first()
    if family is None or not constant_time_compare(stamp_of(family.user), claims.stamp):
        return None
    return family


def _sign_pair(family: TokenFamily) -> TokenPair:
    access, refresh = AccessToken.of(family), RefreshToken.of(family)
    family.refresh_digest = _digest(refresh["jti"])
    return TokenPair(access=str(access), refresh=str(refresh), expires_at=access.expires_at)


def _digest(token_id: str) -> str:
    return hashlib.sha256(token_id.encode()).hexdigest()


def _read(kind: type[FamilyToken], text: str) -> _Claims:
    if len(text) > MAX_TOKEN_CHARACTERS:
        raise InvalidToken
    try:
        # simplejwt takes text here, whatever it declares.
        return _claims(kind(cast("Any", text)))
    # The last two: times beyond what the clock knows.
    except (TokenError, KeyError, TypeError, ValueError, OverflowError, OSError):
        raise InvalidToken from None


def _claims(token: FamilyToken) -> _Claims:
    return _Claims(
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
