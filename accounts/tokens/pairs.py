"""What tokens stand for, and what ends them: those of sign-ins here, those of programs in `personal_tokens`.

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
from uuid import UUID

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts import audit, second_factor
from accounts.identity import Identity, Standing, stamp_of
from accounts.models import TokenFamily, User
from accounts.models.audit_event import Outcome
from accounts.tokens import families, personal_tokens, signed_tokens, token_text
from accounts.tokens.signed_tokens import AccessToken, Claims, FamilyToken, RefreshToken, SocketToken
from personalq.lib.errors import InvalidToken

_logger = logging.getLogger("personalq.accounts")


@dataclass(frozen=True)
class TokenPair:
    """What a client gets for a sign-in or a refresh. `expires_at` is the end of the access token."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: datetime


def issue_pair(user: User, request: HttpRequest | None = None) -> TokenPair:
    """Begin a family: the answer to a successful sign-in, of which `request` says where it comes from."""
    family = families.begun(user, request)
    pair = _sign_pair(family)
    with transaction.atomic():
        family.save()
        audit.record("sign_in.done", Outcome.DONE, actor=user, about=_about(family), by="tokens")
    return pair


def rotate(refresh: str) -> TokenPair:
    """Exchange a refresh token for a new pair.

    Raises:
        InvalidToken: It is wrong, expired, revoked or was used before; the last also revokes its family.
        SecondFactorNeeded: It is an operator's who has none and needs one.
    """
    claims = signed_tokens.read(refresh, RefreshToken)
    # Durable: the error is raised after the commit, so that it cannot roll a revocation back.
    with transaction.atomic(durable=True):
        pair = _next_pair(claims)
    if pair is None:
        raise InvalidToken
    return pair


def revoke(family: TokenFamily, reason: str) -> bool:
    """End all tokens of a family, and the session of a browser with them; returns whether they had not ended before.

    The first reason stays.
    """
    with transaction.atomic():
        going_on = TokenFamily.objects.filter(pk=family.pk, revoked_at=None)
        revoked = going_on.update(revoked_at=Now(), revoked_reason=reason)
        Session.objects.filter(pk=family.session_id).delete()
    return bool(revoked)


def sign_out(refresh: str) -> None:
    """Revoke the family of a refresh token, used or not. Doing it again, or too late, changes nothing.

    Raises:
        InvalidToken: It is no refresh token of ours, or expired: the caller should know that nothing ended.
    """
    claims = signed_tokens.read(refresh, RefreshToken)
    family = TokenFamily.objects.filter(uuid=claims.family).first()
    if family is None:
        return
    with transaction.atomic():
        if revoke(family, "sign-out"):
            audit.record("session.ended", Outcome.DONE, actor=family.user, about=_about(family), reason="sign-out")


def sign_out_everywhere(user: User, reason: str, *, actor: User | None = None) -> None:
    """End every session and token of a user, also the personal ones; `actor` is the operator who does it, if any."""
    with transaction.atomic():
        # The epoch ends sessions and pending tokens; the families are marked for those who look later.
        User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
        TokenFamily.objects.filter(user=user, revoked_at=None).update(revoked_at=Now(), revoked_reason=reason)
        personal_tokens.revoke_all(user, reason)
        about = ("user", user.uuid)
        audit.record("session.all_ended", Outcome.DONE, actor=actor, owner=user, about=about, reason=reason)


def identity_of(access_token: str) -> Identity:
    """Whom an access token or a personal token stands for.

    Raises:
        InvalidToken: Anything about it is wrong, or no longer right.
        SecondFactorNeeded: It is an operator's who has none and needs one.
    """
    return _identity_of(access_token, AccessToken)


def socket_identity_of(token: str) -> Identity:
    """As `identity_of`, for the socket alone: it takes the tokens of pages besides all that others take."""
    return _identity_of(token, AccessToken, SocketToken)


def _identity_of(token: str, *kinds: type[FamilyToken]) -> Identity:
    is_personal = token.startswith(token_text.MARK)
    identity = personal_tokens.identity_of(token) if is_personal else _signed_identity(token, *kinds)
    second_factor.require(identity.user)
    return identity


def _signed_identity(token: str, *kinds: type[FamilyToken]) -> Identity:
    claims = signed_tokens.read(token, *kinds)
    family = _live_family(claims)
    if family is None:
        raise InvalidToken
    families.note_use(family)
    standing = (family.user_id, family.uuid, stamp_of(family.user))
    return Identity(user=family.user, expires_at=claims.expires_at, standing=standing)


def still_valid(standings: Iterable[Standing]) -> set[Standing]:
    """Those of many sockets' standings that are still good, in one query for each of the two kinds.

    Where operators need a second factor, one more finds those who have none.
    """
    wanted = set(standings)
    lacking = second_factor.missing_among({user_id for user_id, _, _ in wanted})
    wanted = {each for each in wanted if each[0] not in lacking}
    personal = {each for each in wanted if each[2] == personal_tokens.STAMP}
    return personal_tokens.still_valid(personal) | _signed_still_valid(wanted - personal)


def _signed_still_valid(wanted: set[Standing]) -> set[Standing]:
    rows = (
        TokenFamily.objects.live()
        .filter(uuid__in={family for _, family, _ in wanted})
        .select_related("user")
        .only("uuid", "user__password", "user__session_epoch", "user__is_active")
    )
    return wanted & {(family.user_id, family.uuid, stamp_of(family.user)) for family in rows}


def page_token(request: HttpRequest) -> str:
    """A new token with which the scripts of a page open the socket. It ends with the browser's session.

    Raises:
        NotAuthenticated: Nobody is signed in, or the session was ended just now.
    """
    return str(SocketToken.of(_prolonged(families.of_session(request), request)))


def _prolonged(family: TokenFamily, request: HttpRequest) -> TokenFamily:
    """The family of a session that has been in use for so long that its own end is near."""
    if family.expires_at < timezone.now() + SocketToken.lifetime:
        family.expires_at = request.session.get_expiry_date()
        family.save(update_fields=["expires_at"])
    return family


def _next_pair(claims: Claims) -> TokenPair | None:
    family = _live_family(claims, for_update=True)
    if family is None:
        return None
    second_factor.require(family.user)
    if not constant_time_compare(family.refresh_digest, _digest(claims.id)):
        revoke(family, "reuse")
        audit.record("refresh_token.reused", Outcome.DENIED, owner=family.user, about=_about(family))
        _logger.warning("A refresh token was used twice", extra={"fields": {"family": str(family.uuid)}})
        return None
    pair, family.last_used_at = _sign_pair(family), timezone.now()
    family.save(update_fields=["refresh_digest", "last_used_at"])
    return pair


def _live_family(claims: Claims, *, for_update: bool = False) -> TokenFamily | None:
    rows = TokenFamily.objects.live().select_related("user")
    if for_update:
        # The family alone: a user's other sign-ins need not wait.
        rows = rows.select_for_update(of=("self",))
    family = rows.filter(uuid=claims.family, user__uuid=claims.user).first()
    if family is None or not constant_time_compare(stamp_of(family.user), claims.stamp):
        return None
    return family


def _sign_pair(family: TokenFamily) -> TokenPair:
    access, refresh = AccessToken.of(family), RefreshToken.of(family)
    family.refresh_digest = _digest(refresh["jti"])
    return TokenPair(access=str(access), refresh=str(refresh), expires_at=access.expires_at)


def _about(family: TokenFamily) -> tuple[str, UUID]:
    return "session", family.uuid


def _digest(token_id: str) -> str:
    return hashlib.sha256(token_id.encode()).hexdigest()
