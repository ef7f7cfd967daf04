"""Somebody's sign-ins: what is open, from where, and ending it. What is ended, ends at once, sockets within seconds."""

from typing import Any
from uuid import UUID

from django.contrib.auth import update_session_auth_hash
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from accounts import audit, tokens
from accounts.identity import Identity
from accounts.models import TokenFamily, User
from accounts.models.audit_event import Outcome
from accounts.refusals import not_yours
from accounts.session_store import row_key_of
from accounts.tokens import families
from personalq.lib.errors import NotFound

OWNER_ENDED = "owner"
OPERATOR_ENDED = "operator"


def sessions_of(user: User) -> QuerySet[TokenFamily]:
    """A user's own that go on, newest first."""
    return TokenFamily.objects.live().filter(user=user).select_related("user")


def session_for(user: User, uuid: UUID) -> TokenFamily:
    """The user's sign-in of this id. Raises NotFound, or NotYours when it is somebody else's."""
    found = TokenFamily.objects.select_related("user").filter(uuid=uuid).first()
    if found is None:
        raise NotFound
    if found.user_id != user.pk:
        raise not_yours(user, found, owner=found.user)
    return found


def this_one(request: HttpRequest, identity: Identity | None = None) -> UUID | None:
    """The sign-in that a request comes by: that of its token, or of its session."""
    if identity is not None:
        return identity.standing[1]
    row_key = row_key_of(request.session) or ""
    return TokenFamily.objects.filter(session_id=row_key).values_list("uuid", flat=True).first()


def end(*, actor: User, session: TokenFamily) -> None:
    """End a sign-in: one's own, or as an operator somebody else's. Doing it again changes nothing."""
    reason = OWNER_ENDED if session.user_id == actor.pk else OPERATOR_ENDED
    with transaction.atomic():
        if tokens.revoke(session, reason):
            about = ("session", session.uuid)
            audit.record("session.ended", Outcome.DONE, actor=actor, owner=session.user, about=about, reason=reason)


def end_others(*, actor: User, kept: UUID | None) -> int:
    """End all sign-ins of one's own but one; returns how many."""
    with transaction.atomic():
        others = [each for each in sessions_of(actor) if each.uuid != kept]
        for each in others:
            end(actor=actor, session=each)
    return len(others)


def end_all(user: User, reason: str) -> None:
    """End every sign-in of a user, by page and by API. Personal tokens go on."""
    with transaction.atomic():
        _end_but("", user, reason)


def keep_only_this(request: HttpRequest, user: User, reason: str) -> None:
    """End every sign-in of a user but the session of this request, which goes on under a new key."""
    session: Any = request.session
    with transaction.atomic():
        family = families.of_session(request)
        _end_but(row_key_of(session) or "", user, reason)
    request.user = User.objects.get(pk=user.pk)
    update_session_auth_hash(request, request.user)
    TokenFamily.objects.filter(pk=family.pk).update(session_id=row_key_of(session))


def _end_but(row_key: str, user: User, reason: str) -> None:
    # The epoch ends whatever was issued before; rows are marked for those who look later.
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    ended = TokenFamily.objects.filter(user=user, revoked_at=None).exclude(session_id=row_key)
    keys = [*ended.exclude(session=None).values_list("session_id", flat=True)]
    ended.update(revoked_at=Now(), revoked_reason=reason)
    Session.objects.filter(pk__in=keys).delete()
