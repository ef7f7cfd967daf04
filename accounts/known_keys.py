"""How old the keys of the installation are: since when each has been seen, because they carry no dates."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from accounts.models import KnownKey

_KEY_ID_BYTES: Final = 8


def note() -> None:
    """Write down the keys that were not seen before; those that are gone are forgotten."""
    present = set(_ids().values())
    KnownKey.objects.bulk_create(
        [KnownKey(variable=variable, key_id=key_id) for variable, key_id in present], ignore_conflicts=True
    )
    gone = [each.pk for each in KnownKey.objects.all() if (each.variable, each.key_id) not in present]
    KnownKey.objects.filter(pk__in=gone).delete()


def first_seen() -> Mapping[str, datetime]:
    """Words that name a key, such as "PERSONALQ_AUDIT_KEYS (entry 1)" → since when it is known."""
    known = {(each.variable, each.key_id): each.first_seen_at for each in KnownKey.objects.all()}
    return {words: known[place] for words, place in _ids().items() if place in known}


@sensitive_variables()
def entries() -> Iterator[tuple[str, str, str]]:
    """Words, variable and value of each key of the installation."""
    for variable in ("SECRET_KEY", "JWT_SIGNING_KEY"):
        yield variable, variable, getattr(settings, variable)
    if settings.JWT_OLD_SIGNING_KEY:
        # As old as it was when it signed.
        yield "JWT_OLD_SIGNING_KEY", "JWT_SIGNING_KEY", settings.JWT_OLD_SIGNING_KEY
    for variable in ("PERSONALQ_ENCRYPTION_KEYS", "PERSONALQ_AUDIT_KEYS"):
        for number, value in enumerate(getattr(settings, variable), start=1):
            yield f"{variable} (entry {number})", variable, value


def _ids() -> dict[str, tuple[str, str]]:
    return {words: (variable, _id_of(value, variable)) for words, variable, value in entries()}


@sensitive_variables()
def _id_of(value: str, variable: str) -> str:
    # Keys have at least 32 characters (personalq.lib.env), so nobody finds them by their ids.
    derived = HKDF(algorithm=SHA256(), length=_KEY_ID_BYTES, salt=None, info=f"known key {variable}".encode())
    return derived.derive(value.encode()).hex()
