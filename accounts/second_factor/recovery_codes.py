"""Codes on paper: each stands in once for the app that shows codes.

A code is 28 characters of base32, 140 random bits, written in groups of four; those made before have 16. Only an
HMAC-SHA256 of it is kept, under a key made from SECRET_KEY for this alone: a copy of the database opens nothing.
"""

import secrets
from typing import Final

from django.db.models.functions import Now
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from accounts.models import RecoveryCode, SecondFactor

COUNT: Final = 10
CHARACTERS: Final = 28
ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
GROUP: Final = 4


@sensitive_variables()
def replace(factor: SecondFactor) -> list[str]:
    """New codes in the place of all others. Within the caller's transaction; this is the only time they are known."""
    texts = [_make() for _ in range(COUNT)]
    RecoveryCode.objects.filter(factor=factor).delete()
    RecoveryCode.objects.bulk_create(RecoveryCode(factor=factor, digest=digest_of(factor, text)) for text in texts)
    return texts


@sensitive_variables()
def use(factor: SecondFactor, text: str) -> bool:
    """Whether this is one of the codes; it is none any more afterwards."""
    unused = RecoveryCode.objects.filter(factor=factor, digest=digest_of(factor, text), used_at=None)
    return unused.update(used_at=Now()) == 1


def count_unused(factor: SecondFactor) -> int:
    return RecoveryCode.objects.filter(factor=factor, used_at=None).count()


@sensitive_variables()
def digest_of(factor: SecondFactor, text: str) -> str:
    """What is kept of a code, however it was typed: blanks, dashes and case do not count."""
    plain = "".join(text.split()).replace("-", "").upper()
    value = f"{factor.uuid}\n{plain}"
    return salted_hmac("accounts.RecoveryCode.digest", value, algorithm="sha256").hexdigest()


@sensitive_variables()
def _make() -> str:
    plain = "".join(secrets.choice(ALPHABET) for _ in range(CHARACTERS))
    return "-".join(plain[start : start + GROUP] for start in range(0, len(plain), GROUP))
