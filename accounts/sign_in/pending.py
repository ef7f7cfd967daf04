"""A sign-in at the page between its two steps: the password was right, and nobody is signed in yet."""

import time
from typing import Final

from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from accounts.models import User

PATIENCE_SECONDS: Final = 5 * 60
_KEY: Final = "sign_in_half_done"


def remember(request: HttpRequest, user: User, *, target: str) -> None:
    """Note whose password was right, and where they wanted to go (checked already), for five minutes."""
    # As at a sign-in: a key that somebody planted before must not be worth more now.
    request.session.cycle_key()
    request.session.set_expiry(PATIENCE_SECONDS)
    request.session[_KEY] = {
        "user": user.pk,
        "stamp": user.get_session_auth_hash(),
        "at": int(time.time()),
        "target": target,
    }


def user_in(request: HttpRequest) -> User | None:
    """Whose password was right in this session; None when that is too long ago, or was of another password."""
    half = request.session.get(_KEY)
    if half is None or not 0 <= time.time() - half["at"] <= PATIENCE_SECONDS:
        return None
    user = User.objects.filter(pk=half["user"], is_active=True).first()
    if user is None or not constant_time_compare(user.get_session_auth_hash(), half["stamp"]):
        return None
    return user


def finish(request: HttpRequest) -> str:
    """Forget it; returns where they wanted to go, or "". Before the sign-in itself, which takes the session over."""
    half = request.session.pop(_KEY, {})
    request.session.set_expiry(None)
    return str(half.get("target", ""))
