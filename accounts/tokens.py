"""What tokens stand for, and what ends them: those of sign-ins here, those of programs in `accounts.personal_tokens`.

Each use of a sign-in's token reads family and user anew, so what ends a sign-in (sign-out, reuse, a new password,
deactivation, deletion, an operator) ends its tokens at once.

Refresh tokens work once. Whoever brings one again ends the whole family, because nobody can tell the owner
from a thief who was faster. That holds for parallel requests too, without a period of grace: exactly one gets
a new pair, and the others end it. A client therefore refreshes in one place at a time, and signs in again
when an answer got lost.
"""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts import personal_tokens, signed_tokens, token_text
from accounts.identity import Identity, Standing, stamp_of
from accounts.models import TokenFamily, User
from accounts.signed_tokens import AccessToken, Claims, RefreshToken
from personalq.lib.errors import InvalidToken, NotAuthenticated

_logger = logging.getLogger("personalq.accounts")


@dataclass(frozen=True)
class TokenPair:
    """What a client gets for a sign-in or a refresh. `expires_at` is the end of the access token."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: datetime


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
    claims = signed_tokens.read(RefreshToken, refresh)
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
    claims = signed_tokens.read(RefreshToken, refresh)
    family = TokenFamily.objects.filter(uuid=claims.family).first()
    if family is not None:
        revoke(family, "sign-out")


def sign_out_everywhere(user: User, reason: str) -> None:
    """End every session and token of a user, also the personal ones."""
    with transaction.atomic():
        # The epoch ends sessions and pending tokens; the families are marked for those who look later.
        User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
        TokenFamily.objects.filter(user=user, revoked_at=None).update(revoked_at=Now(), revoked_reason=reason)
        personal_tokens.revoke_all(user, reason)


def identity_of(access_token: str) -> Identity:
    """Whom an access token or a personal token stands for.

    Raises:
        InvalidToken: Anything about it is wrong, or no longer right.
    """
    if access_token.startswith(token_text.MARK):
        return personal_tokens.identity_of(access_token)
    claims = signed_tokens.read(AccessToken, access_token)
    family = _live_family(claims)
    if family is None:
        raise InvalidToken
    standing = (family.user_id, family.uuid, stamp_of(family.user))
    return Identity(user=family.user, expires_at=claims.expires_at, standing=standing)


def still_valid(standings: Iterable[Standing]) -> set[Standing]:
    """Those of many sockets' standings that are still good, in one query for each of the two kinds."""
    wanted = set(standings)
    personal = {each for each in wanted if each[2] == personal_tokens.STAMP}
    return personal_tokens.still_valid(personal) | _signed_still_valid(wanted - personal)


def _signed_still_valid(wanted: set[Standing]) -> set[Standing]:
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


def _next_pair(claims: Claims) -> TokenPair | None:
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


def _live_family(claims: Claims, *, for_update: bool = False) -> TokenFamily | None:
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
