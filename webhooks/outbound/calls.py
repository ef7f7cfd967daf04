"""One sending to an endpoint, and how it was answered."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from uuid import UUID

import httpx2
from django.views.decorators.debug import sensitive_variables

from personalq.lib import http, redaction
from personalq.lib.http import HttpRefused, Limits
from webhooks.models.endpoint import HEAD_LENGTH
from webhooks.outbound import backoff, signing
from webhooks.outbound.leases import Lease

# The answer's size is no matter: only its first bytes are read, then the connection is closed.
LIMITS: Final = Limits(connect_seconds=5, read_seconds=10, total_seconds=15, response_bytes=10**12)
HEAD_SECONDS: Final = 2.0
"""How long the first bytes of an answer may take once its status is known."""
Client = httpx2.AsyncClient
GONE: Final = "gone"
BAD_STATUS: Final = "bad_status"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How an endpoint answered; no `status` when it did not."""

    status: int | None = None
    code: str = ""
    """Why it is no success; empty when it is one."""
    seconds: float
    head: str = field(default="", repr=False)
    """Its first bytes as text, without secrets and control characters."""
    retry_after_seconds: float | None = None

    @property
    def is_success(self) -> bool:
        return not self.code


def client() -> Client:
    """What sendings of one event loop share; no connection is."""
    return http.client(limits=LIMITS)


@sensitive_variables()
async def send(sender: Client, lease: Lease, *, delivery: UUID, body: str) -> Answer:
    """Send one delivery, at most 15 seconds long. Whatever goes wrong is told in the answer."""
    content, begun = body.encode(), time.monotonic()
    signed = signing.headers_for(delivery, content, secrets_newest_first=lease.secrets, at=int(time.time()))
    headers = {"Content-Type": "application/json", **signed}
    try:
        async with (
            asyncio.timeout(LIMITS.total_seconds),
            sender.stream("POST", str(http.check_url(lease.url)), headers=headers, content=content) as response,
        ):
            return await _read(response, lease, begun)
    except HttpRefused as refusal:
        code = refusal.reason
    except TimeoutError:
        code = http.Reason.TOO_SLOW
    except (httpx2.HTTPError, httpx2.InvalidURL):
        code = http.Reason.BAD_REQUEST
    return Answer(code=code, seconds=time.monotonic() - begun)


async def _read(response: httpx2.Response, lease: Lease, begun: float) -> Answer:
    seconds = time.monotonic() - begun
    return Answer(
        status=response.status_code,
        code=_code_of(response.status_code),
        seconds=seconds,
        head=_readable(await _head_of(response), lease),
        retry_after_seconds=backoff.read_retry_after(response.headers.get("retry-after", ""), now=datetime.now(UTC)),
    )


def _code_of(status: int) -> str:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return ""
    return GONE if status == HTTPStatus.GONE else BAD_STATUS


async def _head_of(response: httpx2.Response) -> bytes:
    head = b""
    try:
        async with asyncio.timeout(HEAD_SECONDS), aclosing(response.aiter_raw()) as pieces:
            async for piece in pieces:
                head += piece
                if len(head) >= HEAD_LENGTH:
                    break
    except (HttpRefused, TimeoutError):
        # The status has told what there is to tell.
        pass
    return head[:HEAD_LENGTH]


@sensitive_variables()
def _readable(head: bytes, lease: Lease) -> str:
    text = head.decode("utf-8", errors="replace")
    plain = "".join(each if each.isprintable() or each == "\n" else " " for each in text)
    with redaction.knows(*lease.secrets):
        return redaction.redact(plain)[:HEAD_LENGTH]
