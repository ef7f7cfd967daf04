"""What a personal token looks like: `pq_`, 37 random characters and a checksum of 6, all of them letters and digits.

37 of 62 characters are 220 bits. The checksum (CRC-32 of what stands before it) tells a mistyped or cut token without
asking the database, and lets scanners of source code know ours from what merely looks like them; it proves nothing.
"""

import re
import secrets
import string
import zlib
from typing import Final

from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

MARK: Final = "pq_"
RANDOM_CHARACTERS: Final = 37
CHECKSUM_CHARACTERS: Final = 6
PREFIX_CHARACTERS: Final = len(MARK) + 6

_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_FORM: Final = re.compile(rf"{MARK}[0-9A-Za-z]{{{RANDOM_CHARACTERS + CHECKSUM_CHARACTERS}}}")


@sensitive_variables()
def make() -> str:
    """A new token."""
    random = MARK + "".join(secrets.choice(_ALPHABET) for _ in range(RANDOM_CHARACTERS))
    return random + _checksum(random)


@sensitive_variables()
def is_well_formed(text: str) -> bool:
    """Whether the text could be one of our tokens."""
    if not _FORM.fullmatch(text):
        return False
    random, checksum = text[:-CHECKSUM_CHARACTERS], text[-CHECKSUM_CHARACTERS:]
    return _checksum(random) == checksum


@sensitive_variables()
def digest_of(text: str) -> str:
    """What is kept of a token: its HMAC-SHA256, in hexadecimal, under a key made from SECRET_KEY for this alone.

    Without that key a copy of the database neither opens anything nor tests guesses.
    """
    return salted_hmac("accounts.PersonalToken.digest", text, algorithm="sha256").hexdigest()


@sensitive_variables()
def prefix_of(text: str) -> str:
    """The beginning, by which people know a token again. It leaves 184 bits unknown."""
    return text[:PREFIX_CHARACTERS]


@sensitive_variables()
def _checksum(text: str) -> str:
    rest, characters = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_CHARACTERS):
        rest, digit = divmod(rest, len(_ALPHABET))
        characters = _ALPHABET[digit] + characters
    return characters
