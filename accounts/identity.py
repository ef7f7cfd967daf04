"""Whom a token stands for."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts.models import User

STAMP_CHARACTERS = 32

# What a signed-in socket stands on: the key of its user, its sign-in or personal token, and the user's stamp.
Standing = tuple[int, UUID, str]


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whom a token stands for, until when, and what it may do: None is everything that its user may."""

    user: User
    expires_at: datetime
    standing: Standing
    scopes: frozenset[str] | None = None


def stamp_of(user: User) -> str:
    """What the tokens of the user's sign-ins must carry now."""
    return user.get_session_auth_hash()[:STAMP_CHARACTERS]
