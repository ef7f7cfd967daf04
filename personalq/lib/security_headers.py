"""The headers of every answer, whoever makes it: a view, an error page, a static file or the ASGI edge."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus

from django.conf import settings
from django.http import HttpResponseBase

from personalq.lib.csp import NOTHING_POLICY, PAGES_POLICY

_DENIED_FEATURES = (
    "accelerometer",
    "autoplay",
    "browsing-topics",
    "camera",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "geolocation",
    "gyroscope",
    "hid",
    "idle-detection",
    "local-fonts",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "picture-in-picture",
    "publickey-credentials-get",
    "screen-wake-lock",
    "serial",
    "storage-access",
    "usb",
    "window-management",
    "xr-spatial-tracking",
)

FIXED_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # The filter that this once steered opened holes of its own; 0 switches it off where it still exists.
    "X-XSS-Protection": "0",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _DENIED_FEATURES),
}
NO_STORE = "no-store"

_DEVELOPERS = {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.INTERNAL_SERVER_ERROR}
_TEXTUAL = ("text/", "application/json", "application/problem+json", "application/javascript")


def add_security_headers(response: HttpResponseBase) -> None:
    """Add what ``response`` does not say itself. What it says (a policy, caching of a static file) stays."""
    headers = response.headers
    for name, value in FIXED_HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", NO_STORE)
    content_type = headers.get("Content-Type", "")
    if not is_developers_error_page(response):
        headers.setdefault("Content-Security-Policy", _policy_for(content_type))
    if content_type.startswith(_TEXTUAL) and "charset" not in content_type.lower():
        headers["Content-Type"] = f"{content_type}; charset=utf-8"


def is_developers_error_page(response: HttpResponseBase) -> bool:
    """Django's own pages in DEBUG, which are built of inline styles and scripts, and the same as plain text."""
    content_type = response.headers.get("Content-Type", "")
    # A page with the status 400 may be a form of ours.
    kinds = ("text/plain",) if response.status_code == HTTPStatus.BAD_REQUEST else ("text/html", "text/plain")
    return bool(settings.DEBUG) and response.status_code in _DEVELOPERS and content_type.startswith(kinds)


def _policy_for(content_type: str) -> str:
    return PAGES_POLICY if content_type.startswith("text/html") else NOTHING_POLICY


def raw_security_headers(*, is_secure: bool, content_type: str = "") -> list[tuple[bytes, bytes]]:
    """The same for answers that are made outside of Django, in the form of ASGI."""
    headers = {**FIXED_HEADERS, "Cache-Control": NO_STORE, "Content-Security-Policy": _policy_for(content_type)}
    if is_secure and settings.SECURE_HSTS_SECONDS:
        headers["Strict-Transport-Security"] = _transport_security()
    return as_raw(headers.items())


def as_raw(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers]


def _transport_security() -> str:
    parts = [f"max-age={settings.SECURE_HSTS_SECONDS}"]
    if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        parts.append("includeSubDomains")
    if settings.SECURE_HSTS_PRELOAD:
        parts.append("preload")
    return "; ".join(parts)
