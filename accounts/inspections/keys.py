"""Keys and secrets: how strong, how old, whether any two are equal, and whether old ones are still needed."""

import hmac
import secrets as randomness
from collections.abc import Iterator
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts import key_rotation, known_keys
from accounts.key_rotation import SealedColumn
from personalq.lib import sealing
from personalq.lib.env import refuse_weak
from personalq.lib.inspection import Result, Scene, bad, fine, inspection, name_some

SHORTEST_PASSWORD: Final = 16
OLD: Final = timedelta(days=366)
VERY_OLD: Final = timedelta(days=3 * 366)
MARKS: Final = ("whsec_",)
"""What stands in front of some secrets without being part of them."""


@inspection(
    "secrets.strength",
    "high",
    looks_at="The keys of the installation (32 characters, not regular, no placeholder) and the passwords of "
    "PostgreSQL, Redis and the mail server (16 characters).",
    advice="Replace what is named; docs/operations.md says for each key how, and what that ends (Encryption keys, "
    "Secrets).",
)
def strength(_: Scene) -> Result:
    weak = [words for words, _, value in known_keys.entries() if _is_weak(words, value)]
    weak += [words for words, value in _passwords() if len(value) < SHORTEST_PASSWORD]
    return bad("high", f"Too weak: {name_some(weak)}.") if weak else fine("Keys and passwords are long enough.")


@sensitive_variables()
def _is_weak(words: str, value: str) -> bool:
    try:
        refuse_weak(words, value)
    except ImproperlyConfigured:
        return True
    return False


def _passwords() -> Iterator[tuple[str, str]]:
    """Name and value of each password that is set."""
    found = {
        "the password in DATABASE_URL": settings.DATABASES["default"].get("PASSWORD"),
        "the password in REDIS_URL": urlsplit(settings.REDIS_CACHE_URL).password,
        "the password in PERSONALQ_EMAIL_URL": getattr(settings, "EMAIL_HOST_PASSWORD", ""),
    }
    yield from ((words, value) for words, value in found.items() if value)


@inspection(
    "secrets.age",
    "low",
    "medium",
    looks_at="Since when each key has been seen here. Low: over a year. Medium: over three years. Who replaces keys "
    "now and then knows that it works on the day it has to.",
    advice="Replace it; docs/operations.md says for each key how, and what that ends (Encryption keys, Secrets).",
)
def age(_: Scene) -> Result:
    known_keys.note()
    now = timezone.now()
    ages = {words: now - seen for words, seen in known_keys.first_seen().items()}
    facts = {words: each.days for words, each in ages.items()}
    old = [f"{words} ({each.days} days)" for words, each in ages.items() if each > OLD]
    if old:
        is_very_old = any(each > VERY_OLD for each in ages.values())
        return bad("medium" if is_very_old else "low", f"Not replaced for long: {name_some(old)}.", days=facts)
    return fine(f"The oldest of {len(ages)} keys is known for {max(facts.values())} days.", days=facts)


@inspection(
    "secrets.equal",
    "high",
    looks_at="Whether one secret stands in two places: keys and passwords of the installation, secrets of doors and "
    "endpoints, credentials and bot tokens. Compared by keyed hashes that last as long as the run.",
    advice="Give each its own: rotate the door or endpoint, or replace the credential. One leak would open both.",
    seconds=300,
)
def equal(_: Scene) -> Result:
    places: dict[bytes, set[str]] = {}
    for place, mark in _marked_secrets():
        places.setdefault(mark, set()).add(place)
    shared = [" = ".join(sorted(each)) for each in places.values() if len(each) > 1]
    if shared:
        return bad("high", f"Equal: {name_some(shared)}.", count=len(shared))
    return fine(f"{len(places)} secrets, no two of different places are equal.")


@sensitive_variables()
def _marked_secrets() -> Iterator[tuple[str, bytes]]:
    """Where a secret stands, and a keyed hash of it."""
    key = randomness.token_bytes(32)
    for place, value in _secrets():
        for mark in MARKS:
            value = value.removeprefix(mark)  # noqa: PLW2901 - the same secret without its mark
        yield place, hmac.digest(key, value.rstrip("=").encode(), "sha256")


@sensitive_variables()
def _secrets() -> Iterator[tuple[str, str]]:
    yield from ((words, value) for words, _, value in known_keys.entries())
    yield from _passwords()
    for column in key_rotation.sealed_columns():
        yield from ((_place(column, row), value) for row, value in _opened(column))


def _place(column: SealedColumn, row: Model) -> str:
    table = column.model._meta.db_table
    # One secret may be kept twice as a credential, by two people who share a key. Between doors it never may.
    return table if table == "credentials" else f"{table} {getattr(row, 'uuid')}"  # noqa: B009 - all such models have it


@sensitive_variables()
def _opened(column: SealedColumn) -> Iterator[tuple[Model, str]]:
    """Rows with their secrets. What cannot be opened is told by secrets.unreadable."""
    for row in column.model._base_manager.exclude(**{column.field: ""}).only("uuid", column.field).iterator():
        try:
            yield row, sealing.unseal(getattr(row, column.field), context=sealing.context_of(row, column.field))
        except sealing.SealBroken:
            continue


@inspection(
    "secrets.unrotated",
    "medium",
    looks_at="Whether everything that is encrypted is so under the first of PERSONALQ_ENCRYPTION_KEYS.",
    advice="Run `manage.py rotate_encryption_keys`; until it has ended the older key is still needed, and still opens.",
)
def unrotated(_: Scene) -> Result:
    counts = {str(column): column.outdated().count() for column in key_rotation.sealed_columns()}
    left = {column: count for column, count in counts.items() if count}
    if left:
        named = [f"{column} ({count})" for column, count in left.items()]
        return bad("medium", f"Under an older key: {name_some(named)}.", rows=left)
    return fine("Everything is encrypted under the first key.")


@inspection(
    "secrets.leftover",
    "low",
    looks_at="Whether older encryption keys are kept although nothing needs them.",
    advice="Remove all but the first entry of PERSONALQ_ENCRYPTION_KEYS, and keep the older ones with the backups "
    "that need them.",
)
def leftover(_: Scene) -> Result:
    older = len(settings.PERSONALQ_ENCRYPTION_KEYS) - 1
    is_needed = any(column.outdated().exists() for column in key_rotation.sealed_columns())
    if older and not is_needed:
        return bad("low", f"{older} older encryption keys are kept, and nothing is encrypted under them.")
    return fine("There is no encryption key without use.")


@inspection(
    "secrets.unreadable",
    "high",
    looks_at="Whether something is encrypted under a key that is not set, or was damaged or moved.",
    advice="Put the missing key back at the end of PERSONALQ_ENCRYPTION_KEYS. If there is none, find out who wrote "
    "these rows, and have their owners replace them.",
    seconds=300,
)
def unreadable(_: Scene) -> Result:
    broken = {str(column): count for column in key_rotation.sealed_columns() if (count := _count_broken(column))}
    if broken:
        named = [f"{column} ({count})" for column, count in broken.items()]
        return bad("high", f"Cannot be opened: {name_some(named)}.", rows=broken)
    return fine("Everything that is encrypted can be opened.")


def _count_broken(column: SealedColumn) -> int:
    total = column.model._base_manager.exclude(**{column.field: ""}).count()
    return total - sum(1 for _ in _opened(column))
