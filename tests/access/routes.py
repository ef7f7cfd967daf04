"""Every route that the resolver knows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver


@dataclass(frozen=True)
class Route:
    """One leaf of the URL map; `name` carries its namespaces, as `reverse` takes it."""

    name: str
    pattern: str
    view: Callable[..., Any]

    @property
    def methods(self) -> set[str]:
        """The methods that an API view answers, without HEAD and OPTIONS."""
        view_class = getattr(self.view, "cls", None) or getattr(self.view, "view_class", None)
        names = getattr(view_class, "http_method_names", ())
        return {name.upper() for name in names if hasattr(view_class, name)} - {"HEAD", "OPTIONS"}


def all_routes() -> list[Route]:
    return list(_leaves(get_resolver(), "", ""))


def _leaves(resolver: URLResolver, prefix: str, namespace: str) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        pattern = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from _leaves(entry, pattern, inner)
        elif isinstance(entry, URLPattern):
            yield Route(name=f"{namespace}{entry.name or ''}", pattern=pattern, view=entry.callback)
