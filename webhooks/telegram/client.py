"""Calls of the Bot API. The address of a call holds the bot's token, so nothing of it ever leaves this module."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from asgiref.sync import async_to_sync
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from personalq.lib import database_guards, http, redaction, strict_json
from personalq.lib.errors import MalformedBody
from personalq.lib.http import HttpRefused, Limits

CALL_LIMITS: Final = Limits(connect_seconds=5, read_seconds=10, total_seconds=15, response_bytes=1024 * 1024)
FILE_LIMITS: Final = Limits(connect_seconds=5, read_seconds=20, total_seconds=60, response_bytes=20 * 1000 * 1000)
"""Telegram hands out files of up to 20 MB."""
UPLOAD_LIMITS: Final = Limits(connect_seconds=5, read_seconds=30, total_seconds=60, response_bytes=1024 * 1024)
LONGEST_WAIT_SECONDS: Final = 24 * 3600
_FIRST_FAILURE: Final = 500
_FILE_PATH: Final = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./-]{0,250}")
_JSON: Final = {"Content-Type": "application/json"}


class CallFailed(Exception):  # noqa: N818 - says what happened
    """A call that Telegram did not carry out. Its text is for logs: a fixed word, never an address or a token."""


class Unreachable(CallFailed):
    """No answer, or one that says that the same call may succeed later."""


class Flooded(CallFailed):
    """Telegram wants silence for a while."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("flooded")
        self.retry_after_seconds: Final = retry_after_seconds


class Refused(CallFailed):
    """Telegram does not do this, and would not do it again either.

    `description` holds Telegram's own words: for decisions, not for people.
    """

    def __init__(self, status: int, description: str) -> None:
        super().__init__(f"refused with {status}")
        self.status: Final = status
        self.description: Final = description

    @property
    def is_not_modified(self) -> bool:
        """Whether the message says this already."""
        return "message is not modified" in self.description

    @property
    def is_message_gone(self) -> bool:
        """Whether the message that was to be edited cannot be edited any more."""
        return "message to edit not found" in self.description or "message can't be edited" in self.description

    @property
    def is_chat_gone(self) -> bool:
        """Whether nothing can be said in this chat any more."""
        return self.status == 403 or "chat not found" in self.description  # noqa: PLR2004 - HTTP's number


@sensitive_variables()
def call(token: str, method: str, payload: Mapping[str, Any] | None = None) -> Any:
    """Carry out one method with a JSON body and return its `result`. No database connection is held meanwhile.

    Raises Unreachable, Flooded or Refused.
    """
    return send(token, method, json.dumps(payload or {}, ensure_ascii=False).encode(), _JSON, CALL_LIMITS)


@sensitive_variables()
def send(token: str, method: str, body: bytes, headers: Mapping[str, str], limits: Limits) -> Any:
    """As `call`, with a body of any form."""
    answer = _fetch(token, "POST", f"/bot{token}/{method}", body=body, headers=headers, limits=limits)
    return _result_of(answer)


@sensitive_variables()
def download(token: str, file_path: str) -> bytes:
    """The bytes of a file that getFile has named. Raises Unreachable or Refused."""
    if not _FILE_PATH.fullmatch(file_path):
        raise Refused(400, "no path of a file")
    answer = _fetch(token, "GET", f"/file/bot{token}/{file_path}", body=b"", headers={}, limits=FILE_LIMITS)
    if answer.status >= _FIRST_FAILURE:
        raise Unreachable("no file")
    if answer.status != 200:  # noqa: PLR2004 - HTTP's number
        raise Refused(answer.status, "no file")
    return answer.body


@sensitive_variables()
def _fetch(
    token: str, verb: str, path: str, *, body: bytes, headers: Mapping[str, str], limits: Limits
) -> http.Response:
    url = f"{settings.PERSONALQ_TELEGRAM_URL}{path}"
    database_guards.let_go()
    # Whatever is logged or raised on the way must not show the address.
    with redaction.knows(token):
        try:
            return async_to_sync(http.fetch, force_new_loop=True)(verb, url, headers=headers, body=body, limits=limits)
        except HttpRefused as refusal:
            raise Unreachable(refusal.reason) from None


def _result_of(answer: http.Response) -> Any:
    envelope = _envelope(answer.body)
    if answer.status == 200 and envelope.get("ok") is True:  # noqa: PLR2004 - HTTP's number
        return envelope.get("result")
    if answer.status == 429:  # noqa: PLR2004 - HTTP's number
        raise Flooded(_wait(envelope.get("parameters")))
    if answer.status >= _FIRST_FAILURE or not envelope:
        raise Unreachable(f"status {answer.status}")
    description = envelope.get("description")
    raise Refused(answer.status, description if isinstance(description, str) else "")


def _envelope(body: bytes) -> Mapping[str, Any]:
    try:
        value = strict_json.parse(body, mends_text=True)
    except MalformedBody:
        return {}
    return value if isinstance(value, dict) else {}


def _wait(parameters: object) -> int:
    seconds = parameters.get("retry_after") if isinstance(parameters, dict) else None
    return max(1, min(seconds, LONGEST_WAIT_SECONDS)) if type(seconds) is int else 1
