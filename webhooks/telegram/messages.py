"""Texts in the form and in the sizes that Telegram takes. Pure.

A message holds up to 4096 characters, which Telegram counts as UTF-16 units. No parse_mode is ever named: nothing in
a text can become markup, and no text can be refused for markup that is not whole.
"""

import unicodedata
from collections.abc import Iterator
from typing import Final

from tasks.runners.web.terminal import plain_text

MOST_UNITS: Final = 4096
PART_UNITS: Final = 4000
"""Of one part of an answer, in UTF-16 units and so in code points, too: one unit or two each."""
MOST_PARTS: Final = 10
_NO_BREAK_BEFORE: Final = frozenset("\u200d\ufe0e\ufe0f") | frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_JOINER: Final = "\u200d"
_LONGEST_CLUSTER: Final = 32
_SURROGATES: Final = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


def sendable(text: str) -> str:
    """The text without escape sequences, control characters and what UTF-8 cannot carry."""
    return plain_text(text).translate(_SURROGATES)


def units(text: str) -> int:
    """How long Telegram takes the text to be."""
    return len(text) + sum(character > "\uffff" for character in text)


def shortened(text: str, *, most_units: int) -> str:
    """The beginning of the text, with an ellipsis if it was cut."""
    if units(text) <= most_units:
        return text
    return text[: _cut(text, 0, most_units - 1)].rstrip() + "…"


def last_lines(text: str, *, most_lines: int, most_units: int) -> str:
    """The end of a text that goes on growing, with an ellipsis if it was cut."""
    end = text.rstrip()
    tail = "\n".join(end[-most_units:].split("\n")[-most_lines:])
    while units(tail) >= most_units:
        tail = tail[len(tail) // 8 + 1 :]
    return tail if len(tail) == len(end) else f"…{tail}"


def parts_of(text: str, *, most_parts: int = MOST_PARTS) -> tuple[list[str], bool]:
    """The text in parts of at most 4000 units, and whether there is more of it than `most_parts`.

    It is cut between paragraphs, lines or words if there is one in the second half of a part, and never within a
    character that is written by several code points. What is only blank is no part.
    """
    parts: list[str] = []
    for part in _pieces(text):
        if not part.strip():
            continue
        if len(parts) == most_parts:
            return parts, True
        parts.append(part)
    return parts, False


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = _cut(text, start, PART_UNITS)
        if end < len(text):
            end = _at_a_gap(text, start, end)
        yield text[start:end].strip("\n")
        start = end


def _cut(text: str, start: int, most_units: int) -> int:
    """The last place after `start` up to which the text is not too long and no cluster is torn."""
    end, used = start, 0
    for character in text[start : start + most_units]:
        used += 2 if character > "\uffff" else 1
        if used > most_units:
            break
        end += 1
    if end == len(text):
        return end
    whole = end
    while whole > max(start, end - _LONGEST_CLUSTER) and _is_within_cluster(text, whole):
        whole -= 1
    return whole if whole > max(start, end - _LONGEST_CLUSTER) else end


def _at_a_gap(text: str, start: int, end: int) -> int:
    half = start + (end - start) // 2
    for gap in ("\n\n", "\n", " "):
        place = text.rfind(gap, half, end)
        if place > half:
            return place + len(gap)
    return end


def _is_within_cluster(text: str, place: int) -> bool:
    following = text[place]
    return following in _NO_BREAK_BEFORE or bool(unicodedata.combining(following)) or text[place - 1] == _JOINER
