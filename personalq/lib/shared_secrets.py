"""Comparing what a sender shows with the secret that it should know."""

from typing import Final

from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

SHORTEST_SECRET: Final = 16
LONGEST_GIVEN: Final = 1000


def is_fit_to_prove(expected: str | None) -> bool:
    """Whether a secret may open anything at all: one that is missing, blank or shorter than 16 characters may not."""
    return expected is not None and len(expected.strip()) >= SHORTEST_SECRET


@sensitive_variables()
def verify_secret(expected: str | None, given: str | None) -> bool:
    """Whether a sender showed the secret. Nothing is compared unless there is something to compare on both sides.

    Django's comparison takes None for "None", and two empty texts for equal.
    """
    if not is_fit_to_prove(expected) or expected is None:
        return False
    if not given or len(given) > LONGEST_GIVEN or not given.isascii():
        return False
    return constant_time_compare(given.encode("ascii"), expected.encode())
