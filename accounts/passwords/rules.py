"""What a password must not be: validators of Django (AUTH_PASSWORD_VALIDATORS), so every form and command asks them.

Length counts, not the kinds of characters (ASVS 6.2.1 to 6.2.12): 15 to 1024 characters, nothing that stands in the
list of common ones, nothing that looks like the account's own facts, and no word of this product or place.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.views.decorators.debug import sensitive_variables

SHORTEST: Final = 15
LONGEST: Final = 1024
PRODUCT_WORDS: Final = ("personalq", "personal-q")
SHORTEST_WORD: Final = 4
"""Shorter ones, such as a top-level domain, stand by chance in too many good passwords."""
SHORTEST_SPELLED_WORD: Final = 6
"""From this length on a word is also found with blanks or signs between its letters."""

_WORDS: Final = re.compile(r"[^\W_]+")


class LongestLengthValidator:
    """At most 1024 characters, none of which is cut off."""

    def validate(self, password: str, user: Any = None) -> None:  # noqa: ARG002 - Django's signature
        if len(password) > LONGEST:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        return f"Your password can have at most {LONGEST} characters."


class RepetitionValidator:
    """What comes again and again in a password counts once: that much has to be long enough by itself."""

    @sensitive_variables()
    def validate(self, password: str, user: Any = None) -> None:  # noqa: ARG002 - Django's signature
        period = _period_of(password)
        if period < SHORTEST and 2 * period <= len(password):
            raise ValidationError(
                f"This is a short text that is repeated. Use {SHORTEST} characters or more before anything comes again:"
                " four or five words that have nothing to do with each other are good.",
                code="password_repeats",
            )

    def get_help_text(self) -> str:
        return (
            f"Your password must not repeat a short text: {SHORTEST} characters must come before anything comes again."
        )


class OwnWordsValidator:
    """Refuses what somebody would guess who knows this installation and this account."""

    @sensitive_variables()
    def validate(self, password: str, user: Any = None) -> None:
        typed = _levelled(password)
        squeezed = "".join(_WORDS.findall(typed))
        for word in {*_product_words(), *_words_of(user)}:
            letters = "".join(_WORDS.findall(word))
            if word in typed or (len(letters) >= SHORTEST_SPELLED_WORD and letters in squeezed):
                raise ValidationError(self.get_help_text(), code="password_has_own_word")

    def get_help_text(self) -> str:
        return (
            "Your password cannot hold the name of this product or of its host, your user name, or a part of your "
            "e-mail address."
        )


def _period_of(text: str) -> int:
    """After how many characters a text begins to come again; its length, if it does not."""
    borders = [0]
    for position in range(1, len(text)):
        border = borders[-1]
        while border and text[border] != text[position]:
            border = borders[border - 1]
        borders.append(border + (text[border] == text[position]))
    return len(text) - borders[-1]


def _product_words() -> Iterator[str]:
    yield from PRODUCT_WORDS
    host = urlsplit(settings.PERSONALQ_PUBLIC_URL).hostname or ""
    for name in (host, *settings.ALLOWED_HOSTS):
        yield from _long_enough(_levelled(name).strip(".*[]"))


def _words_of(user: Any) -> Iterator[str]:
    name, email = (_levelled(str(getattr(user, field, "") or "")) for field in ("username", "email"))
    if len(name) >= SHORTEST_WORD:
        yield name
    local, _, domain = email.partition("@")
    yield from _long_enough(local)
    yield from _long_enough(domain)


def _long_enough(name: str) -> Iterator[str]:
    """A name and its parts. Of an address in numbers the whole is enough."""
    parts = [] if re.fullmatch(r"[0-9a-f.:]*", name) else _WORDS.findall(name)
    yield from (each for each in (name, *parts) if len(each) >= SHORTEST_WORD)


def _levelled(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
