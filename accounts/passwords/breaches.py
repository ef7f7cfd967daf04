"""Whether a password is known from a breach elsewhere, asked without telling which one it is.

The service (PERSONALQ_BREACH_CHECK_URL) answers the range protocol of Have I Been Pwned: it is sent the first five of
the forty hexadecimal digits of the password's SHA-1, and answers with the rest of every hash that begins so, each with
the number of times that it was seen. `Add-Padding` asks for entries with the number 0 besides, so that the size of the
answer tells nothing; those mean nothing. https://haveibeenpwned.com/API/v3#PwnedPasswords

Whoever cannot reach the service may choose a password all the same: only this part of the rules gives way.
"""

import hashlib
import logging
import re
from typing import Any, Final

from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.exceptions import ValidationError
from django.views.decorators.debug import sensitive_variables

from personalq.lib import http

PREFIX_CHARACTERS: Final = 5
LIMITS: Final = http.Limits(connect_seconds=2, read_seconds=2, total_seconds=3, response_bytes=1024 * 1024)
_HEADERS: Final = {"Accept": "text/plain", "Add-Padding": "true"}
_ENTRY: Final = re.compile(rb"([0-9A-F]{35}):([0-9]{1,12})")
_OK: Final = 200

_logger = logging.getLogger("personalq.accounts")


class BreachValidator:
    """Refuses passwords that are known from a breach, where the operator has named a service to ask."""

    @sensitive_variables()
    def validate(self, password: str, user: Any = None) -> None:  # noqa: ARG002 - Django's signature
        if settings.PERSONALQ_BREACH_CHECK_URL and is_known(password):
            raise ValidationError(
                "This password is known from a breach of another service. Choose one that you use nowhere else.",
                code="password_breached",
            )

    def get_help_text(self) -> str:
        return "Your password cannot be one that is known from a breach."


@sensitive_variables()
def is_known(password: str) -> bool:
    """Whether the service knows the password; False when it cannot be asked, which the log then says."""
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    try:
        return _is_among(digest[PREFIX_CHARACTERS:], _range_of(digest[:PREFIX_CHARACTERS]))
    except http.HttpRefused as refusal:
        _logger.warning("A new password was not looked up among breached ones: %s", refusal.reason)
        return False


def _range_of(prefix: str) -> bytes:
    url = f"{settings.PERSONALQ_BREACH_CHECK_URL}/{prefix}"
    answer: http.Response = async_to_sync(http.fetch, force_new_loop=True)("GET", url, headers=_HEADERS, limits=LIMITS)
    if answer.status != _OK:
        raise http.HttpRefused(http.Reason.BAD_ANSWER)
    return answer.body


def _is_among(rest: str, body: bytes) -> bool:
    entries = [_ENTRY.fullmatch(line.strip()) for line in body.splitlines()]
    if not any(entries):
        raise http.HttpRefused(http.Reason.BAD_ANSWER)
    return any(entry[1] == rest.encode() and int(entry[2]) > 0 for entry in entries if entry)
