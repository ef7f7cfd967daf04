"""What API views say about the scopes of personal tokens.

A view declares `scope`, a noun of which reading needs `:read` and everything else `:write`, or `scopes`, which maps
methods to scopes and goes before the noun.
"""

from collections.abc import Mapping
from typing import Final

ANY: Final = "any"
"""Declared in place of a noun: every token may, whatever its scopes. For what shows nobody's things."""

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def scope_needed_by(view: object, method: str) -> str:
    """The scope that a method of a view needs; empty when the view declares none, so that it refuses."""
    by_method: Mapping[str, str] = getattr(view, "scopes", {})
    named = by_method.get("GET" if method == "HEAD" else method)
    if named is not None:
        return named
    noun: str = getattr(view, "scope", "")
    return noun if noun in {"", ANY} else f"{noun}:{'read' if method in _READING else 'write'}"
