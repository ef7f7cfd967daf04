"""People: second factors, how their passwords are kept, and operators who are not there any more."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.hashers import get_hasher, identify_hasher, is_password_usable
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import User
from personalq.lib.inspection import Result, Scene, bad, fine, inspection, name_some, noted

IDLE: Final = timedelta(days=90)
STRONG: Final = frozenset({"argon2", "scrypt", "bcrypt_sha256", "pbkdf2_sha256"})


def operators() -> QuerySet[User]:
    return User.objects.filter(Q(is_staff=True) | Q(is_superuser=True), is_active=True)


def _without_factor(users: QuerySet[User]) -> QuerySet[User]:
    return users.exclude(second_factor__confirmed_at__isnull=False)


@inspection(
    "users.operators",
    "high",
    looks_at="Operators without a second factor.",
    advice="Have each set theirs up under Account → Second factor, then set "
    "PERSONALQ_OPERATORS_NEED_SECOND_FACTOR=true.",
)
def operators_without_factor(_: Scene) -> Result:
    bare = list(_without_factor(operators()).values_list("username", flat=True))
    if bare:
        return bad("high", f"With a password alone: {name_some(bare)}.")
    return fine("Every operator has a second factor.")


@inspection(
    "users.second_factor",
    looks_at="How many others have a second factor.",
    advice="",
)
def users_without_factor(_: Scene) -> Result:
    others = User.objects.filter(is_active=True, is_staff=False, is_superuser=False)
    bare = _without_factor(others).count()
    return noted(f"{bare} of {others.count()} other users have no second factor.") if bare else fine("All have one.")


@inspection(
    "users.passwords",
    "low",
    "high",
    looks_at="How passwords are kept. Low: by an older method or with older parameters. High: so that they can be "
    "guessed from a copy of the database.",
    advice="Passwords are kept anew at the next sign-in. Have those who are named sign in or choose a new one, or "
    "deactivate them.",
)
def passwords(_: Scene) -> Result:
    weak, old = [], []
    for user in User.objects.filter(is_active=True).only("username", "password").iterator():
        if not is_password_usable(user.password):
            continue
        if not _is_strong(user.password):
            weak.append(user.username)
        elif not _is_current(user.password):
            old.append(user.username)
    if weak:
        return bad("high", f"Kept so that they can be guessed: the passwords of {name_some(weak)}.")
    return bad("low", f"Kept by an older method: the passwords of {name_some(old)}.") if old else fine("Kept well.")


def _is_strong(encoded: str) -> bool:
    return encoded.partition("$")[0] in STRONG


def _is_current(encoded: str) -> bool:
    preferred = get_hasher()
    try:
        return identify_hasher(encoded).algorithm == preferred.algorithm and not preferred.must_update(encoded)
    except ValueError:
        return False


@inspection(
    "users.idle",
    "low",
    looks_at="Operators who have not signed in for 90 days.",
    advice="Ask them, then take their rights or deactivate them in the admin.",
)
def idle(_: Scene) -> Result:
    since = timezone.now() - IDLE
    found = list(_silent(operators(), since))
    return bad("low", f"Operators who are not there: {name_some(found)}.") if found else fine("Operators are there.")


def _silent(users: QuerySet[User], since: datetime) -> Iterator[str]:
    never = Q(last_login__isnull=True, date_joined__lt=since)
    yield from users.filter(never | Q(last_login__lt=since)).values_list("username", flat=True)
