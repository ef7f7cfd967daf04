"""The routes that answer people who have shown nothing, and an address for each route there is.

The list is the whole of it: the access matrix of the tests and `security_audit` on a live installation compare every
other route with it. A route that is added here needs a reason why strangers may use it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

_READ: Final = frozenset({"GET", "HEAD"})

OPEN_ROUTES: Final[Mapping[str, frozenset[str]]] = {
    # Whether the installation runs: one word, no facts.
    "healthz": _READ,
    "readyz": _READ,
    "cursor-agents-health": _READ,
    # A program that people fetch before they have a token; it holds nothing of this installation.
    "personalq-cli": _READ,
    # Where everybody begins.
    "sign-in": _READ | {"POST", "PUT", "OPTIONS"},
    # What may be sent there; the answer is the same for everybody.
    "sign-out": frozenset({"OPTIONS"}),
    "api-auth-token": frozenset({"OPTIONS"}),
    "api-auth-refresh": frozenset({"OPTIONS"}),
    "api-auth-logout": frozenset({"OPTIONS"}),
    # For those who cannot sign in yet or any more: empty forms. What proves them is in the body of what they post.
    "reset": _READ,
    "reset-new": _READ,
    "invitation": _READ,
    # The links in e-mails that end them, proved by a signature in the link.
    "notices-off": _READ,
}
"""Name of the route → methods that may answer 2xx to anybody."""


@dataclass(frozen=True)
class Address:
    """A path that leads to a route. `name` carries its namespaces; the pattern stands in for a missing one."""

    name: str
    path: str


def addresses() -> tuple[list[Address], list[str]]:
    """An address of every route that the resolver knows, and the patterns for which none could be made."""
    made: list[Address] = []
    failed: list[str] = []
    for name, pattern, entry in _leaves(get_resolver(), "", ""):
        path = _path_for(pattern)
        # Some patterns take what no other one took: only a longer path leads there.
        leading = next((each for each in (path, f"{path}/nothing") if _leads_to(each, entry)), None)
        if leading is None:
            failed.append(pattern)
        else:
            made.append(Address(name, leading))
    return made, failed


def _leaves(resolver: URLResolver, prefix: str, namespace: str) -> Iterator[tuple[str, str, URLPattern]]:
    for entry in resolver.url_patterns:
        pattern = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from _leaves(entry, pattern, inner)
        elif isinstance(entry, URLPattern):
            yield (f"{namespace}{entry.name}" if entry.name else pattern), pattern, entry


# In this order: what a part of a pattern becomes in an address.
_SAMPLES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"<uuid:\w+>|\(\?P<\w+>\[0-9a-f\]\{8\}[^)]*\)[^)]*\)"), "UUID"),
    (re.compile(r"<int:\w+>|<id>|\(\?P<\w+>\[1-9\]\[0-9\]\{0,8\}\)"), "1"),
    (re.compile(r"<(?:str|slug|path):\w+>|(?<!P)<\w+>"), "nothing"),
    (re.compile(r"\(\?P<\w+>(\w+)(?:\|\w+)*\)"), r"\1"),
    (re.compile(r"\(\?P<\w+>\.[*+]\)|\.[*+]"), "nothing"),
    (re.compile(r"\(\?:/\|\$\)"), "/"),
    (re.compile(r"\(\?:/(?:nothing|\[\\s\\S\]\*)\)\?"), "/nothing"),
    (re.compile(r"\\Z|[\^$]"), ""),
)


def _path_for(pattern: str) -> str:
    for part, sample in _SAMPLES:
        pattern = part.sub(sample, pattern)
    return "/" + pattern.replace("UUID", str(uuid4()))


def _leads_to(path: str, entry: URLPattern) -> bool:
    try:
        return resolve(path).func is entry.callback
    except Resolver404:
        return False
