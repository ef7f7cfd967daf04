"""Signatures after Standard Webhooks 1.0 (https://www.standardwebhooks.com): HMAC-SHA256 of `id.timestamp.body`."""

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.views.decorators.debug import sensitive_variables

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32


def new_secret() -> str:
    """A secret as receivers enter it."""
    return f"{PREFIX}{b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def message_id(delivery: UUID) -> str:
    """The id by which a receiver knows a delivery again, however often it comes."""
    return f"msg_{delivery.hex}"


@sensitive_variables()
def headers_for(delivery: UUID, body: bytes, *, secrets_newest_first: Sequence[str], at: int) -> dict[str, str]:
    """The headers of one sending, `at` a time in seconds since 1970. Each secret signs; during a rotation two do."""
    message = message_id(delivery)
    signed = b".".join([message.encode(), str(at).encode(), body])
    signatures = [f"v1,{_sign(secret, signed)}" for secret in secrets_newest_first]
    return {"webhook-id": message, "webhook-timestamp": str(at), "webhook-signature": " ".join(signatures)}


@sensitive_variables()
def _sign(secret: str, signed: bytes) -> str:
    key = b64decode(secret.removeprefix(PREFIX), validate=True)
    return b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
