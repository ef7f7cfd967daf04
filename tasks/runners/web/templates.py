"""Body templates: JSON in which some strings hold placeholders.

What is put in never becomes JSON of its own and is never looked through for placeholders again.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

PLACEHOLDERS: Final = ("prompt", "input", "task", "attempt")
_PLACEHOLDER: Final = re.compile(r"\{\{\s*([a-z_]{1,32})\s*\}\}")


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with its placeholders replaced.

    A string that is nothing but a placeholder becomes the value as it is; within a longer string the value becomes
    text, which is JSON unless it is a string already. Keys of objects are left alone.
    """
    if isinstance(template, dict):
        return {key: fill(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [fill(value, values) for value in template]
    if not isinstance(template, str):
        return template
    if whole := _PLACEHOLDER.fullmatch(template):
        return values[whole[1]]
    return _PLACEHOLDER.sub(lambda found: _as_text(values[found[1]]), template)


def unknown_placeholders(template: Any) -> set[str]:
    """Names of placeholders that do not exist."""
    return {name for text in _strings(template) for name in _PLACEHOLDER.findall(text)} - set(PLACEHOLDERS)


def has_placeholders(template: Any) -> bool:
    """Whether anything in it would be replaced, or refused."""
    return any(_PLACEHOLDER.search(text) for text in _strings(template))


def _strings(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, dict | list):
        for value in template.values() if isinstance(template, dict) else template:
            yield from _strings(value)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
