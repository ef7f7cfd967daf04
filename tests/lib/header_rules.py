"""What the headers of every answer have to say, whoever made it: one list of rules for all tests of headers."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any, Final, Self

import django
import uvicorn

from personalq.lib.csp import NOTHING_POLICY
from personalq.lib.version import VERSION

HSTS: Final = "max-age=63072000; includeSubDomains; preload"
# Written down here once more: a rule that is taken out of the product must be missed.
FIXED: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "0",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
DENIED: Final = {"camera=()", "microphone=()", "geolocation=()", "payment=()", "usb=()", "publickey-credentials-get=()"}
PAGE_RULES: Final = {
    "default-src 'none'",
    "script-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "report-uri /csp-reports",
}
# A file that somebody's program made: shown by nobody, run by nobody.
_SANDBOX: Final = re.compile(r"\bsandbox\b")
_TELLING: Final = {"server", "x-powered-by", "via", "x-aspnet-version", "x-runtime"}
_VERSIONS: Final = {VERSION, django.__version__, uvicorn.__version__}
_TEXTUAL: Final = ("text/", "application/json", "application/problem+json", "application/javascript")


@dataclass(frozen=True)
class Headers:
    """The header fields of one answer; a name may come more than once."""

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of_client(cls, answer: Any) -> Self:
        """Of an answer to Django's test client."""
        cookies = [("Set-Cookie", morsel.OutputString()) for morsel in answer.cookies.values()]
        return cls((*answer.headers.items(), *cookies))

    @classmethod
    def of_wire(cls, head: bytes) -> Self:
        """Of the head of an answer as it came over the wire."""
        lines = head.decode("latin-1").split("\r\n")[1:]
        return cls(tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines if line)))

    def all(self, name: str) -> list[str]:
        return [value for given, value in self.pairs if given.lower() == name.lower()]

    def one(self, name: str) -> str:
        return ", ".join(self.all(name))

    def faults(self, *, https: bool, may_be_stored: bool = False) -> list[str]:
        """Every rule that these headers break, in words."""
        return [
            *self._fixed(),
            *self._policy(),
            *self._caching(may_be_stored=may_be_stored),
            *self._telling(),
            *self._wire(https=https),
        ]

    def _fixed(self) -> Iterator[str]:
        for name, value in FIXED.items():
            if self.all(name) != [value]:
                yield f"{name} is {self.all(name)}"
        allowed = DENIED - set(self.one("Permissions-Policy").split(", "))
        if allowed:
            yield f"a page may use {sorted(allowed)}"
        if not re.fullmatch(r"[0-9a-f]{32}", self.one("X-Request-ID")):
            yield "there is no request id"

    def _policy(self) -> Iterator[str]:
        policy = self.one("Content-Security-Policy")
        rules = {rule.strip() for rule in policy.split(";")}
        if self.one("Content-Type").startswith("text/html"):
            missing = PAGE_RULES - rules
        else:
            missing = set() if policy == NOTHING_POLICY or _SANDBOX.search(policy) else {NOTHING_POLICY}
        if missing:
            yield f"the policy lacks {sorted(missing)}: {policy}"
        if "unsafe-eval" in policy or "unsafe-inline" in policy.replace("style-src-attr 'unsafe-inline'", ""):
            yield f"the policy lets inline code run: {policy}"

    def _caching(self, *, may_be_stored: bool) -> Iterator[str]:
        if not may_be_stored and "no-store" not in self.one("Cache-Control"):
            yield f"it may be stored: {self.one('Cache-Control')}"

    def _telling(self) -> Iterator[str]:
        for name, value in self.pairs:
            if name.lower() in _TELLING or name.lower().startswith("access-control-"):
                yield f"{name} is there"
            if any(version in value for version in _VERSIONS):
                yield f"{name} names a version"

    def _wire(self, *, https: bool) -> Iterator[str]:
        if self.all("Strict-Transport-Security") != ([HSTS] if https else []):
            yield f"Strict-Transport-Security is {self.all('Strict-Transport-Security')}"
        content_type = self.one("Content-Type")
        if content_type.startswith(_TEXTUAL) and "charset=utf-8" not in content_type.replace('"', "").lower():
            yield f"no charset: {content_type}"
        yield from faults_of_cookies(self.all("Set-Cookie"), https=https)


def faults_of_cookies(fields: Iterable[str], *, https: bool) -> Iterator[str]:
    """What is wrong with cookies: over HTTPS each has the prefix that browsers bind to host, path and TLS.

    One that is taken away holds nothing that a script could read.
    """
    for field in fields:
        for name, morsel in SimpleCookie(field).items():
            is_kept = morsel["max-age"] != "0"
            if (
                (is_kept and not morsel["httponly"])
                or morsel["samesite"] not in {"Lax", "Strict"}
                or morsel["path"] != "/"
            ):
                yield f"cookie {name} is open to scripts or other sites: {field}"
            if https and not (name.startswith("__Host-") and morsel["secure"] and not morsel["domain"]):
                yield f"cookie {name} is not bound to this host: {field}"
