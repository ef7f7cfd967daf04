"""Other ways to read a text: what is encoded, spaced out, turned around or written in letters that nobody sees.

Everything is bounded: at most three layers, and all that is decoded together is no longer than LIMIT characters, or
four times the text and 4,000 more if that is less. What lies beyond is not read; a text that hides behind that much of
encoded filling is the limit of this.
"""

import base64
import binascii
import codecs
import html
import re
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tasks.untrusted.characters import BIDI_OVERRIDE, compose, fold_words, remove_invisible, tagged_text, variation_text
from tasks.untrusted.lexicon import word_set

LIMIT: Final = 200_000
# Many short texts that decode to much cost as much as one long one, so each may only have its share.
_SHARE: Final = 4
_LEAST: Final = 4_000
DEPTH: Final = 3
_READABLE_SHARE: Final = 0.85
_SHORTEST: Final = 8

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}+(?:\r?\n[A-Za-z0-9+/_-]{4,}+)*+={0,2}")
_HEX: Final = re.compile(r"(?:(?:\\x|0x)?[0-9A-Fa-f]{2}[ :,]{0,2}){10,}+")
_PERCENT: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_ENTITY: Final = re.compile(r"&(?:#\d{2,7}|#[xX][0-9A-Fa-f]{2,6}|[A-Za-z]{2,8});")
_BACKSLASH: Final = re.compile(r"\\u\{?([0-9A-Fa-f]{4,6})\}?|\\x([0-9A-Fa-f]{2})")
_ESCAPED_SPACE: Final = re.compile(r"(?:\\[nrt])+")
_QUOTED_PRINTABLE: Final = re.compile(rb"=([0-9A-F]{2})|=\r?\n")
_SPACED: Final = re.compile(r"(?<![^\W_])[^\W\d_](?:[ .\-_*|/,]{1,3}[^\W\d_]){5,}+(?![^\W_])")
_WIDE_GAP: Final = re.compile(r"[ .\-_*|/,]{2,}")
_NARROW_GAP: Final = re.compile(r"[ .\-_*|/,]")
_LEET_WORD: Final = re.compile(
    r"(?<!\w)(?=[013457@$]*[a-z])(?=[a-z]*[013457@$])[a-z013457@$]{3,16}(?!\w)", re.IGNORECASE
)
_LEET_INSIDE: Final = re.compile(r"[a-z][013457@$]+[a-z]", re.IGNORECASE)
_LEET: Final = str.maketrans("013457@$", "oieastas")
_WORD: Final = re.compile(r"[a-z]{3,}")
# Commonplace words of an attempt; two of them backwards or rotated show that all of it is.
_TELLTALE: Final = word_set(
    "ignore previous instructions instruction system prompt reveal password disregard forget rules assistant "
    "secret now your and the you all from unrestricted send above everything message output verbatim before "
    "hidden repeat text print word please this that with without what are new tell answer"
)
_ROTATED: Final = frozenset(codecs.encode(word, "rot13") for word in _TELLTALE)
_BACKWARDS: Final = frozenset(word[::-1] for word in _TELLTALE if word != word[::-1])
_FEWEST_TELLTALES: Final = 3
_FEWEST_QUOTED: Final = 6


@dataclass(frozen=True, slots=True)
class View:
    """One way to read the text or a part of it."""

    code: str
    """The reason to give when an attempt is found in this view alone; empty for the text as it stands."""
    text: str
    source: str
    """The beginning of what was decoded."""


def clean(text: str) -> str:
    """The text as a person reads it: compatibility forms plain, nothing invisible, mixed words in one script."""
    if text.isascii() and text.isprintable():
        return text
    return fold_words(remove_invisible(compose(text)))[0]


def views(text: str) -> Iterator[View]:
    """The cleaned text first, then what is found by decoding, layer by layer."""
    first = View("", clean(text), "")
    yield first
    left = min(LIMIT, _SHARE * len(text) + _LEAST)
    # In JSON a new line that says "ignore" reads \nignore. That hides nothing, so it is no disguise either.
    unfolded = _ESCAPED_SPACE.sub("\n", first.text)
    if unfolded != first.text:
        yield View("", unfolded, "")
    sources, hidden = [first], [*_unseen(text)]
    for _ in range(DEPTH):
        layer = [*hidden, *(found for source in sources for found in _decode(source.text))]
        sources, hidden = [], []
        for view in layer:
            cut = View(view.code, clean(view.text[:left]), view.source)
            left -= len(cut.text)
            yield cut
            if left <= 0:
                return
            sources.append(cut)


def _unseen(text: str) -> Iterator[View]:
    """What is written in characters that the cleaned text no longer has."""
    if text.isascii():
        return
    for hidden in (tagged_text(text), variation_text(text)):
        if len(hidden) >= _SHORTEST and _is_readable(hidden):
            yield View("hidden_text", hidden, hidden)
    for match in BIDI_OVERRIDE.finditer(compose(text)):
        yield View("disguised_letters", match.group()[:0:-1], match.group())


def _decode(text: str) -> Iterator[View]:
    for decoder in _DECODERS:
        yield from decoder(text)


def _is_readable(text: str) -> bool:
    sample = text[:4000]
    good = sum(letter.isalnum() or letter.isspace() or (letter.isascii() and letter.isprintable()) for letter in sample)
    return bool(sample) and good / len(sample) >= _READABLE_SHARE


def _readable_bytes(raw: bytes) -> str | None:
    text = raw.decode("utf-8", "replace")
    if len(text) >= _SHORTEST and _is_readable(text):
        return text
    wide = raw.decode("utf-16-le", "replace") if raw[1::2].count(0) * 4 > len(raw) else ""
    return wide if len(wide) >= _SHORTEST and _is_readable(wide) else None


def _from_base64(text: str) -> Iterator[View]:
    for match in _BASE64.finditer(text):
        compact = "".join(match.group().split()).rstrip("=").replace("-", "+").replace("_", "/")
        compact = compact[: len(compact) - (len(compact) % 4 == 1)]
        try:
            plain = _readable_bytes(base64.b64decode(compact + "=" * (-len(compact) % 4)))
        except binascii.Error:
            continue
        if plain:
            yield View("encoded_payload", plain, match.group()[:400])


def _from_hex(text: str) -> Iterator[View]:
    for match in _HEX.finditer(text):
        digits = re.sub(r"\\x|0x|[ :,]", "", match.group())
        plain = _readable_bytes(bytes.fromhex(digits))
        if plain:
            yield View("encoded_payload", plain, match.group()[:400])


def _lines_with(pattern: re.Pattern[str], text: str, *, least: int) -> str:
    """The lines in which a pattern occurs at least so often."""
    return "\n".join(line for line in text.split("\n") if len(pattern.findall(line)) >= least)


def _from_percent(text: str) -> Iterator[View]:
    if "%" in text and (lines := _lines_with(_PERCENT, text, least=3)):
        yield View("encoded_payload", urllib.parse.unquote_plus(lines), lines[:400])


def _from_entities(text: str) -> Iterator[View]:
    if "&" in text and (lines := _lines_with(_ENTITY, text, least=2)):
        yield View("encoded_payload", html.unescape(lines), lines[:400])


def _from_backslashes(text: str) -> Iterator[View]:
    if "\\" not in text or not (lines := _lines_with(_BACKSLASH, text, least=4)):
        return
    plain = _BACKSLASH.sub(lambda match: _character(match.group(1) or match.group(2)), lines)
    yield View("encoded_payload", plain, lines[:400])


def _character(digits: str) -> str:
    number = int(digits, 16)
    return chr(number) if number <= sys.maxunicode else "\ufffd"


def _from_quoted_printable(text: str) -> Iterator[View]:
    if text.count("=") < _FEWEST_QUOTED:
        return
    raw = text.encode("utf-8", "surrogatepass")
    if len(_QUOTED_PRINTABLE.findall(raw)) >= _FEWEST_QUOTED:
        plain = _QUOTED_PRINTABLE.sub(lambda match: bytes.fromhex((match.group(1) or b"").decode()), raw)
        yield View("encoded_payload", plain.decode("utf-8", "replace"), text[:400])


def _from_spaced(text: str) -> Iterator[View]:
    for match in _SPACED.finditer(text):
        words = (_NARROW_GAP.sub("", word) for word in _WIDE_GAP.split(match.group()))
        yield View("disguised_letters", " ".join(words), match.group()[:400])


def _from_leet(text: str) -> Iterator[View]:
    if lines := _lines_with(_LEET_INSIDE, text, least=2):
        yield View(
            "disguised_letters", _LEET_WORD.sub(lambda match: match.group().translate(_LEET), lines), lines[:400]
        )


def _has_telltales(line: str, words: frozenset[str]) -> bool:
    return len(words.intersection(_WORD.findall(line))) >= _FEWEST_TELLTALES


def _from_rotated(text: str) -> Iterator[View]:
    lowered = text.lower()
    if not _has_telltales(lowered, _ROTATED):
        return
    lines = "\n".join(line for line in text.split("\n") if not _ROTATED.isdisjoint(_WORD.findall(line.lower())))
    yield View("encoded_payload", codecs.encode(lines, "rot13"), lines[:400])


def _from_backwards(text: str) -> Iterator[View]:
    lowered = text.lower()
    if not _has_telltales(lowered, _BACKWARDS):
        return
    lines = [line for line in text.split("\n") if not _BACKWARDS.isdisjoint(_WORD.findall(line.lower()))]
    yield View("disguised_letters", "\n".join(line[::-1] for line in lines), lines[0][:400])


_DECODERS: Final[tuple[Callable[[str], Iterator[View]], ...]] = (
    _from_base64,
    _from_hex,
    _from_percent,
    _from_entities,
    _from_backslashes,
    _from_quoted_printable,
    _from_spaced,
    _from_leet,
    _from_rotated,
    _from_backwards,
)
