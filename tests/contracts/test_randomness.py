"""V11.5.1: every secret that the product makes has at least 128 random bits."""

from math import log2
from typing import Final

import pytest

from accounts import one_time_codes
from accounts.management.commands import ensure_first_operator
from accounts.second_factor import recovery_codes
from accounts.tokens import token_text
from tasks import desk
from tasks.sql_access import roles
from tasks.untrusted import canary, delimiting
from webhooks.doors import secrets as door_secrets
from webhooks.outbound import signing
from webhooks.telegram import links

pytestmark = pytest.mark.security

LEAST_BITS: Final = 128
BITS: Final = {
    "callbacks of tasks": desk.SECRET_BYTES * 8,
    "canaries": canary.CANARY_BYTES * 8,
    "door secrets": door_secrets.RANDOM_BYTES * 8,
    "endpoint secrets": signing.SECRET_BYTES * 8,
    "first operator's password": ensure_first_operator.PASSWORD_BYTES * 8,
    "links of chats": links.CODE_BYTES * 8,
    "markers": delimiting.MARKER_BYTES * 8,
    "one-time codes": one_time_codes.GROUPS * one_time_codes.GROUP_CHARACTERS * log2(len(set(one_time_codes.ALPHABET))),
    "personal tokens": token_text.RANDOM_CHARACTERS * log2(62),
    "recovery codes": recovery_codes.CHARACTERS * log2(len(set(recovery_codes.ALPHABET))),
    "roles for SQL": roles.PASSWORD_BYTES * 8,
}


@pytest.mark.parametrize("kind", BITS)
def test_secret_has_128_random_bits(kind: str) -> None:
    assert BITS[kind] >= LEAST_BITS


def test_makers_use_them() -> None:
    assert (
        len(token_text.make()) == len(token_text.MARK) + token_text.RANDOM_CHARACTERS + token_text.CHECKSUM_CHARACTERS
    )
    made = recovery_codes._make()
    assert len(made.replace("-", "")) == recovery_codes.CHARACTERS
    assert len({recovery_codes._make() for _ in range(20)}) == 20
