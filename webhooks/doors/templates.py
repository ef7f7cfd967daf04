"""Turning a payload into text: `{{ issue.title }}`, `{{ commits.0.message }}`.

A placeholder names members of objects and places in lists of the JSON payload, and nothing else: no attributes, no
calls, no code. What a payload puts in is not read again, so a placeholder in it stays as it is.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from personalq.lib.errors import InvalidInput
from tasks.models.task import PROMPT_LENGTH

MOST_PLACEHOLDERS: Final = 200
DEEPEST_PATH: Final = 32
CUT_MARK: Final = "\n[cut: the payload goes on]"

_PLACEHOLDER: Final = re.compile(r"\{\{[ \t]*([^\s{}]+)[ \t]*\}\}")
_SEGMENT: Final = re.compile(r"[\w$@:/-]+")
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,5}")
_ABSENT: Final = object()


@dataclass(frozen=True)
class Rendered:
    """The text, the placeholders that the payload has nothing for, and whether something had to be left out."""

    text: str
    missing: list[str] = field(default_factory=list)
    is_cut: bool = False


def check(template: str, *, name: str = "template") -> None:
    """Raises InvalidInput naming the field when something in double braces is no placeholder."""
    found = _PLACEHOLDER.findall(template)
    if len(found) > MOST_PLACEHOLDERS:
        raise InvalidInput.for_field(name, "too_many", f"Use at most {MOST_PLACEHOLDERS} placeholders.")
    rest = _PLACEHOLDER.sub("", template)
    if "{{" in rest or "}}" in rest or not all(_is_path(path) for path in found):
        message = "Write placeholders like {{ issue.title }} or {{ commits.0.message }}: names and numbers with dots."
        raise InvalidInput.for_field(name, "bad_placeholder", message)


def render(template: str, payload: Mapping[str, Any], *, most_characters: int = PROMPT_LENGTH) -> Rendered:
    """The template with the payload's values; without a template all of the payload, as JSON.

    What is longer than `most_characters` is cut, and says so at its end.
    """
    if not template:
        return _bounded(json.dumps(payload, ensure_ascii=False, indent=2), [], most_characters)
    missing: list[str] = []
    parts: list[str] = []
    length = last_end = 0
    for match in _PLACEHOLDER.finditer(template):
        value = _look_up(payload, match[1])
        if value is _ABSENT and match[1] not in missing:
            missing.append(match[1])
        parts += [template[last_end : match.start()], "" if value is _ABSENT else _as_text(value, most_characters)]
        last_end = match.end()
        length += len(parts[-1]) + len(parts[-2])
        # Hundreds of placeholders for one large value must not be put together before they are cut.
        if length > most_characters:
            break
    return _bounded("".join([*parts, template[last_end:]]), missing, most_characters)


def _is_path(path: str) -> bool:
    segments = path.split(".")
    return len(segments) <= DEEPEST_PATH and all(_SEGMENT.fullmatch(segment) for segment in segments)


def _look_up(payload: Mapping[str, Any], path: str) -> Any:
    value: Any = payload
    for segment in path.split("."):
        if isinstance(value, dict):
            value = value.get(segment, _ABSENT)
        elif isinstance(value, list) and _INDEX.fullmatch(segment) and int(segment) < len(value):
            value = value[int(segment)]
        else:
            return _ABSENT
    return value


def _as_text(value: Any, most_characters: int) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[: most_characters + 1]


def _bounded(text: str, missing: list[str], most_characters: int) -> Rendered:
    if len(text) <= most_characters:
        return Rendered(text, missing)
    return Rendered(text[: most_characters - len(CUT_MARK)] + CUT_MARK, missing, is_cut=True)
