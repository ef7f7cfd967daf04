"""Sending what a sender would send, through the whole stack without a socket."""

from typing import Any

from tests.clients import fresh_client
from tests.webhooks.hostile import Sent


def knock(sent: Sent) -> Any:
    """The answer to a request."""
    headers = dict(sent.headers)
    content_type = headers.pop("Content-Type", "")
    return fresh_client().post(sent.path, sent.body, content_type=content_type, headers=headers, secure=True)
