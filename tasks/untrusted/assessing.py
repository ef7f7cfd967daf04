"""How much a text looks like an attempt to command whoever reads it, and why.

Signs are put together as if they were independent: each takes its share of the doubt that is left. The time is in
proportion to the length of the text; the same text always gets the same answer.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tasks.untrusted.characters import BIDI_OVERRIDE, HIDDEN_WITHIN_WORDS, compose, fold_words
from tasks.untrusted.decoding import View, views
from tasks.untrusted.reading import read
from tasks.untrusted.reasons import Reason, make_reason
from tasks.untrusted.requests import find_requests
from tasks.untrusted.rules import Sign, find_marks, find_signs, hiding_place
from tasks.untrusted.wording import find_wording

THRESHOLD: Final = 0.5
_FAINT: Final = 0.08
_DISGUISE_WEIGHT: Final = 0.45
_HIDDEN_WEIGHT: Final = 0.35
# What is encoded has to be nearly an attempt by itself before the disguise counts against it.
_ATTEMPT: Final = 0.4
_INVISIBLE_WEIGHT: Final = 0.3
_MIXED_WEIGHT: Final = 0.3
_FEWEST_INVISIBLE: Final = 2
_SHORTEST_MIXED: Final = 4


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """How much a text looks like an attempt to command its reader."""

    score: float
    """0 (nothing found) to 1; an order, not a probability."""
    is_suspicious: bool
    """Whether the score reaches THRESHOLD."""
    reasons: tuple[Reason, ...]
    """What was found, the weightiest first; each code once."""


def assess(text: str, *, is_document: bool = False) -> Assessment:
    """Look at a text from outside; any text is accepted, none is changed.

    A document (an e-mail, a page, a file) is something to read, so a plain request in it is a sign as well. A prompt is
    a request by nature: leave is_document False for it.
    """
    signs = _strongest(_all_signs(text, is_document=is_document))
    score = _combine(sign.weight for sign in signs)
    reasons = tuple(make_reason(sign.code, sign.excerpt) for sign in signs)
    return Assessment(score=score, is_suspicious=score >= THRESHOLD, reasons=reasons)


def _combine(weights: Iterable[float]) -> float:
    doubt = 1.0
    for weight in weights:
        doubt *= 1 - weight
    return round(1 - doubt, 4)


def _strongest(signs: Iterable[Sign]) -> list[Sign]:
    """The weightiest sign of each code, the weightiest code first."""
    best: dict[str, Sign] = {}
    for sign in signs:
        if sign.weight >= _FAINT and (sign.code not in best or sign.weight > best[sign.code].weight):
            best[sign.code] = sign
    return sorted(best.values(), key=lambda sign: (-sign.weight, sign.code))


def _all_signs(text: str, *, is_document: bool) -> Iterator[Sign]:
    plain = 0.0
    for view in views(text):
        found = _strongest(_signs_of(view, is_document=is_document))
        strength = _combine(sign.weight for sign in found)
        if not view.code:
            plain = max(plain, strength)
            yield from found
            yield from _disguises(text, view, strength)
        elif strength >= _ATTEMPT and strength > plain:
            yield Sign(code=view.code, weight=_DISGUISE_WEIGHT, excerpt=view.source)
            yield from found


def _signs_of(view: View, *, is_document: bool) -> Iterator[Sign]:
    reading = read(view.text)
    yield from find_signs(reading, is_document=is_document)
    yield from find_marks(view.text)
    yield from find_wording(reading)
    if is_document and not view.code:
        yield from find_requests(view.text)


def _disguises(text: str, view: View, strength: float) -> Iterator[Sign]:
    """Ways to hide that are signs by themselves, or because of what is hidden."""
    composed = compose(text)
    hidden = HIDDEN_WITHIN_WORDS.findall(composed)
    if len(hidden) >= _FEWEST_INVISIBLE or BIDI_OVERRIDE.search(composed):
        yield Sign(code="invisible_characters", weight=_INVISIBLE_WEIGHT, excerpt=text)
    _, mixed = fold_words(composed)
    if len([word for word in mixed if len(word) >= _SHORTEST_MIXED]) >= _FEWEST_INVISIBLE:
        yield Sign(code="mixed_scripts", weight=_MIXED_WEIGHT, excerpt=" ".join(mixed[:8]))
    place = hiding_place(view.text) if strength >= THRESHOLD else None
    if place is not None:
        yield Sign(code="hidden_text", weight=_HIDDEN_WEIGHT, excerpt=place)
