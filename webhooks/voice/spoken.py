"""Text for the ear: without the signs of Markdown, and not longer than somebody listens."""

import re
from typing import Final

MOST_READ: Final = 20_000
"""Characters that are looked at; no answer that is spoken is as long."""
MORE: Final = "That is not all of it."

_FENCE: Final = re.compile(r"^[ ]{0,3}(?:`{3}|~{3})[^\n]*$", re.MULTILINE)
_LINK: Final = re.compile(r"!?\[([^\[\]\n]{0,500})\]\([^()\s]{0,2000}\)")
_ADDRESS: Final = re.compile(r"https?://[^\s<>\"')\]]{1,2000}")
_LINE_START: Final = re.compile(r"^[ \t]{0,12}(?:#{1,6}[ \t]|>[ \t]?|[-*+][ \t]|\|)", re.MULTILINE)
_RULE: Final = re.compile(r"^[ \t|:*_=-]{3,}$", re.MULTILINE)
_EMPHASIS: Final = re.compile(
    r"(?<![A-Za-z0-9_])(?:\*{1,3}|_{1,3}|~~)(?=\S)|(?<=\S)(?:\*{1,3}|_{1,3}|~~)(?![A-Za-z0-9_])"
)
_CELL: Final = re.compile(r"[ \t]*\|[ \t]*")
_END_OF_SENTENCE: Final = re.compile(r"[.!?…](?=\s|$)|[\u3002\uff01\uff1f]|\n")


def spoken(text: str, *, most: int) -> str:
    """The text as one would say it, at most `most` characters.

    A longer one ends with a whole sentence, if one ends in the second half of it, and with the words that there is
    more.
    """
    plain = _plain(text[:MOST_READ])
    is_cut = len(text) > MOST_READ
    if len(plain) <= most and not is_cut:
        return plain
    return f"{_shortened(plain, most - len(MORE) - 1)} {MORE}"


def _plain(text: str) -> str:
    text = _LINK.sub(r"\1", _FENCE.sub("", text)).replace("`", "")
    text = _ADDRESS.sub("a link", text)
    text = _LINE_START.sub("", _RULE.sub("", text))
    text = _CELL.sub(", ", _EMPHASIS.sub("", text))
    lines = [" ".join(line.strip(" ,").split()) for line in text.splitlines()]
    return "\n".join(line for line in lines if line)


def _shortened(text: str, most: int) -> str:
    head = text[:most]
    ends = [match.end() for match in _END_OF_SENTENCE.finditer(head) if match.end() > most // 2]
    if ends:
        return head[: ends[-1]].rstrip()
    return head.rpartition(" ")[0].rstrip() or head
