"""Making, using and ending the tokens that people give to their programs.

The text of a token exists in the answer to whoever made it and in the requests that bring it: it is never kept, and
is looked up by its keyed digest. Callers find a token through `accounts.tokens.token_access` first.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, models, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from accounts import audit, quotas
from accounts.audit.seldom import record_seldom
from accounts.identity import Identity, Standing, stamp_of
from accounts.models import PersonalToken, User
from accounts.models.audit_event import Outcome
from accounts.models.personal_token import EXPIRED, LONGEST_LIFE
from accounts.scopes import ALL
from accounts.tokens import token_text
from personalq.lib.constraints import NameTaken, conflicts
from personalq.lib.errors import InvalidInput, InvalidToken, NotAuthenticated

DEFAULT_DAYS: Final = 90
LONGEST_DAYS: Final = LONGEST_LIFE.days
USE_NOTED_EVERY: Final = timedelta(minutes=1)
LATE_USE_NOTED_EVERY: Final = timedelta(hours=1)
KEPT_AFTER_THE_END: Final = timedelta(days=90)
STAMP: Final = "personal token"
"""In the place of the stamp that a sign-in's standing has: what ends these, ends them by their rows."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class NewToken:
    """A token just made. This is the only time that its text is known."""

    token: PersonalToken
    text: str = field(repr=False)


@sensitive_variables()
def create(*, actor: User, name: str, scopes: Collection[str], expires_in_days: int = DEFAULT_DAYS) -> NewToken:
    """Make a token of `actor`, who has signed in: no token makes another one.

    Args:
        actor: Whose it is.
        name: Unique among the actor's tokens that are neither revoked nor expired.
        scopes: At least one, of those that `accounts.scopes` names.
        expires_in_days: From 1 to 366.

    Raises ValidationError or InvalidInput naming the field, NameTaken, QuotaReached, and NotAuthenticated when what
    the actor signed in with was ended meanwhile.
    """
    text, now = token_text.make(), timezone.now()
    token = PersonalToken(
        user=actor,
        name=name,
        prefix=token_text.prefix_of(text),
        digest=token_text.digest_of(text),
        scopes=_checked_scopes(scopes),
        created_at=now,
        expires_at=now + _checked_life(expires_in_days),
    )
    token.clean_fields(exclude={"user"})
    with conflicts(taken=NameTaken("You already have a token of this name.")), transaction.atomic():
        _take_place(actor)
        token.save()
        audit.record(
            "token.made", Outcome.DONE, actor=actor, about=_about(token), scopes=token.scopes, days=expires_in_days
        )
    _logger.info("personal token %s was made by %s", token.uuid, actor.uuid)
    return NewToken(token=token, text=text)


def revoke(*, actor: User, token: PersonalToken) -> PersonalToken:
    """End a token at once. Doing it again changes nothing, and the first reason stays."""
    reason = "owner" if token.user_id == actor.pk else "operator"
    with transaction.atomic():
        if _revoke(PersonalToken.objects.filter(pk=token.pk), reason):
            audit.record("token.revoked", Outcome.DONE, actor=actor, owner=token.user, about=_about(token), by=reason)
            _logger.info("personal token %s was revoked by %s", token.uuid, actor.uuid)
    token.refresh_from_db()
    return token


def revoke_all(user: User, reason: str) -> int:
    """End all tokens of a user at once; returns how many."""
    with transaction.atomic():
        count = _revoke(PersonalToken.objects.filter(user=user), reason)
        if count:
            about = ("user", user.uuid)
            audit.record("token.all_revoked", Outcome.DONE, owner=user, about=about, count=count, reason=reason)
    return count


@sensitive_variables()
def identity_of(text: str) -> Identity:
    """Whom a token stands for, in one query and, once a minute, a few more that note its use.

    To be called outside of a transaction, which would hold the row of the token until its end.

    Raises:
        InvalidToken: There is no such token, or it has ended.
    """
    token = _find_live(text)
    if token is None:
        _note_late_use(text)
        raise InvalidToken
    _note_use(token)
    return Identity(
        user=token.user,
        expires_at=token.expires_at,
        standing=(token.user_id, token.uuid, STAMP),
        scopes=frozenset(token.scopes),
    )


def still_valid(standings: Collection[Standing]) -> set[Standing]:
    """Those of the standings of personal tokens that are still good, in one query."""
    found = PersonalToken.objects.live().filter(uuid__in={uuid for _, uuid, _ in standings})
    return set(standings) & {(user_id, uuid, STAMP) for user_id, uuid in found.values_list("user_id", "uuid")}


def forget_ended() -> None:
    """Delete the rows of tokens that ended 90 days ago: until then they tell what was used when."""
    ended = models.Q(revoked_at__lt=Now() - KEPT_AFTER_THE_END) | models.Q(expires_at__lt=Now() - KEPT_AFTER_THE_END)
    PersonalToken.objects.filter(ended).delete()


@sensitive_variables()
def _find_live(text: str) -> PersonalToken | None:
    if not token_text.is_well_formed(text):
        return None
    # Whoever guesses cannot choose a digest, so how long the index takes to compare it tells nothing.
    return PersonalToken.objects.live().select_related("user").filter(digest=token_text.digest_of(text)).first()


@sensitive_variables()
def _note_late_use(text: str) -> None:
    """Tell the owner of a token that somebody still uses it, or a thief tries to: at most once an hour."""
    if not token_text.is_well_formed(text):
        return
    token = PersonalToken.objects.select_related("user").filter(digest=token_text.digest_of(text)).first()
    if token is not None:
        state = token.state if token.user.is_active else "deactivated"
        record_seldom(
            "token.used_after_end",
            Outcome.DENIED,
            within=LATE_USE_NOTED_EVERY,
            owner=token.user,
            about=_about(token),
            state=state,
        )


def _note_use(token: PersonalToken) -> None:
    if token.last_used_at is not None and token.last_used_at > timezone.now() - USE_NOTED_EVERY:
        return
    try:
        _write_use(token)
    except DatabaseError as error:
        # What a program is about to do must not depend on this.
        _logger.warning("the use of personal token %s was not noted: %s", token.uuid, type(error).__name__)


@transaction.atomic
def _write_use(token: PersonalToken) -> None:
    # Whom another request, or a revocation, holds is passed over instead of waited for.
    free = PersonalToken.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=token.pk).first()
    if free is not None:
        PersonalToken.objects.filter(pk=free.pk).update(last_used_at=Now())


def _about(token: PersonalToken) -> tuple[str, UUID]:
    return "personal_token", token.uuid


def _take_place(actor: User) -> None:
    mine = PersonalToken.objects.filter(user=actor)
    limit = settings.PERSONALQ_TOKENS_PER_USER
    quotas.take_place(actor, mine.live(), limit, quotas.QuotaReached.of(limit, "tokens"))
    # The user's row is held now. Whoever was signed out everywhere a moment ago must not get a token after all.
    if not constant_time_compare(stamp_of(User.objects.get(pk=actor.pk)), stamp_of(actor)):
        raise NotAuthenticated
    # An expired token keeps its name from nobody.
    mine.expired().update(revoked_at=models.F("expires_at"), revoked_reason=EXPIRED)


def _revoke(rows: models.QuerySet[PersonalToken], reason: str) -> int:
    return rows.filter(revoked_at=None).update(revoked_at=Now(), revoked_reason=reason)


def _checked_scopes(wanted: Collection[str]) -> list[str]:
    if not wanted or not set(wanted) <= set(ALL):
        message = f"Choose at least one of: {', '.join(ALL)}."
        raise InvalidInput.for_field("scopes", "invalid_choice" if wanted else "empty", message)
    return [each for each in ALL if each in wanted]


def _checked_life(days: int) -> timedelta:
    if not 1 <= days <= LONGEST_DAYS:
        message = f"Choose a whole number of days from 1 to {LONGEST_DAYS}."
        raise InvalidInput.for_field("expires_in_days", "invalid", message)
    return timedelta(days=days)
