"""How deep and how large a parsed JSON value is, measured without recursion."""

import json
from collections.abc import Iterator
from typing import Any

from personalq.lib.strict_json import is_storable_text


class TooDeepError(ValueError):
    """The value is nested deeper than allowed."""


def size_within(value: Any, *, max_depth: int) -> int:
    """Bytes of the shortest UTF-8 form of ``value``.

    Raises:
        TooDeepError: More than ``max_depth`` arrays and objects lie within each other.
        ValueError: It holds something that JSON, UTF-8 or PostgreSQL cannot.
    """
    for item in _walk(value, max_depth):
        if isinstance(item, str) and not is_storable_text(item):
            raise ValueError
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except TypeError:
        raise ValueError from None
    return len(text.encode("utf-8"))


def _walk(value: Any, max_depth: int) -> Iterator[Any]:
    pending = [(value, 0)]
    while pending:
        item, depth = pending.pop()
        yield item
        if isinstance(item, dict | list):
            if depth >= max_depth:
                raise TooDeepError
            pending.extend((child, depth + 1) for child in _children(item))


def _children(container: dict[Any, Any] | list[Any]) -> Iterator[Any]:
    if isinstance(container, list):
        yield from container
        return
    for key, child in container.items():
        if not isinstance(key, str):
            raise ValueError  # noqa: TRY004 - one kind of error for the caller
        yield key
        yield child
