"""Carrying a request out once: whoever repeats it within a day gets its first answer again.

After draft-ietf-httpapi-idempotency-key-header-07. The work and the record of its answer commit in one transaction,
so neither is ever there without the other. What is under way is known by a lock that ends with its transaction:
nothing is left behind when a process dies, and the key may be used again at once.
"""

import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from django.db import connection, transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import IdempotencyKey, User
from personalq.lib.errors import Conflict, InvalidInput

RETRY_AFTER_SECONDS: Final = 1
_FIRST_ERROR_STATUS: Final = 400
# Locks of two numbers have a name space of their own; the order of events uses those of one number.
_TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock(%s, %s)"
_WAIT_FOR_LOCK: Final = "SELECT pg_advisory_xact_lock(%s, %s)"


class IdempotencyKeyInFlight(Conflict):
    """The first request with this key has not been answered yet."""

    code = "idempotency_key_in_flight"
    title = "A request with this Idempotency-Key is under way."
    advice = "Wait for the number of seconds in the Retry-After header, then send the same request again."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


class IdempotencyKeyUsed(Conflict):
    """It was done, and its answer held a secret."""

    code = "idempotency_key_used"
    title = "This request was carried out before, and its answer cannot be shown again."
    advice = "Look for what it made. If its answer was lost, replace that and use a new key."


class IdempotencyKeyReused(InvalidInput):
    """The key belongs to another request."""

    code = "idempotency_key_reused"
    status = 422
    title = "This Idempotency-Key was used for another request."
    advice = "Use a new key for each new request. Repeat a request with its own method, address and body."


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a request is answered with."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    is_replayed: bool = False


def fingerprint_of(*, method: str, path: str, body: bytes) -> str:
    """What tells one request from another. It is keyed, so that nobody can test guesses about a stored body."""
    text = b"\n".join([method.encode(), path.encode(), body])
    return salted_hmac("accounts.idempotency.fingerprint", text, algorithm="sha256").hexdigest()


def answer_once(
    *,
    actor: User,
    key: str,
    fingerprint: str,
    work: Callable[[], Answer],
    holds_secret: bool = False,
    is_patient: bool = False,
) -> Answer:
    """Do the work and keep its answer for 24 hours, or give the answer that is kept.

    Args:
        actor: Whose key it is. Others may use the same one.
        key: 1 to 255 characters.
        fingerprint: Of the request, by `fingerprint_of`.
        work: What to do at most once, in a transaction of its own. An error that it raises or answers undoes it
            and leaves the key unused.
        holds_secret: Keep only that it was done, and not the answer.
        is_patient: Wait for the first request instead of raising IdempotencyKeyInFlight.

    Raises:
        IdempotencyKeyInFlight: The first request is not answered yet.
        IdempotencyKeyReused: The key was used with another fingerprint.
        IdempotencyKeyUsed: The answer held a secret.
    """
    with transaction.atomic(durable=True):
        _lock(actor, key, is_patient=is_patient)
        known = _known(actor, key)
        if known is not None:
            return _replay(known, fingerprint)
        answer = work()
        if answer.status >= _FIRST_ERROR_STATUS:
            transaction.set_rollback(True)
        else:
            _keep(actor, key, fingerprint, answer, holds_secret=holds_secret)
        return answer


def _lock(actor: User, key: str, *, is_patient: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_WAIT_FOR_LOCK if is_patient else _TRY_LOCK, _lock_numbers(actor, key))
        if cursor.fetchone()[0] is False:
            raise IdempotencyKeyInFlight


def _lock_numbers(actor: User, key: str) -> tuple[int, int]:
    digest = hashlib.sha256(f"{actor.pk}\n{key}".encode()).digest()
    first, second = struct.unpack(">ii", digest[:8])
    return first, second


def _known(actor: User, key: str) -> IdempotencyKey | None:
    mine = IdempotencyKey.objects.filter(owner=actor, key=key)
    mine.expired().delete()
    return mine.first()


def _replay(known: IdempotencyKey, fingerprint: str) -> Answer:
    if not constant_time_compare(known.fingerprint, fingerprint):
        raise IdempotencyKeyReused
    if known.body is None:
        raise IdempotencyKeyUsed
    return Answer(status=known.status, headers=known.headers, body=bytes(known.body), is_replayed=True)


def _keep(actor: User, key: str, fingerprint: str, answer: Answer, *, holds_secret: bool) -> None:
    shown = replace(answer, headers={}, body=b"") if holds_secret else answer
    IdempotencyKey.objects.create(
        owner=actor,
        key=key,
        fingerprint=fingerprint,
        status=shown.status,
        headers=dict(shown.headers),
        body=None if holds_secret else shown.body,
    )
