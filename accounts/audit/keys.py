"""The keys of the audit trail, and the keyed hashes that are made with them.

Every key comes by HKDF-SHA256 (RFC 5869) from an entry of PERSONALQ_AUDIT_KEYS, one for each purpose; hashes are
HMAC-SHA256 (RFC 2104) in hexadecimal digits. The first entry writes, all of them verify.
"""

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.crypto import constant_time_compare

DIGEST_DIGITS: Final = 32
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

WRITTEN: Final = (
    "kind",
    "outcome",
    "actor_uuid",
    "actor_name",
    "owner_uuid",
    "object_kind",
    "object_uuid",
    "address",
    "request_id",
    "facts",
)
"""What of a row the product writes. Its id, its time and its place come later."""


@dataclass(frozen=True, kw_only=True)
class AuditKey:
    """What is derived from one entry of the setting."""

    id: str
    chain: bytes = field(repr=False)
    origin: bytes = field(repr=False)
    names: bytes = field(repr=False)


def keys() -> Mapping[str, AuditKey]:
    """Key id → key, in the order of the setting."""
    return _derived(tuple(settings.PERSONALQ_AUDIT_KEYS))


def first_key() -> AuditKey:
    """The key that new rows are written and chained with."""
    return next(iter(keys().values()))


def origin_of(event: Any, key: AuditKey) -> str:
    """The keyed hash by which a row shows that the product wrote it, and not somebody's SQL."""
    return mac(key.origin, values_of(event))


def is_of_the_product(event: Any) -> bool:
    """Whether a row carries the origin that one of the keys gives it."""
    own = keys().get(event.key_id)
    if own is not None and constant_time_compare(origin_of(event, own), event.origin):
        return True
    # Written under an older key, and chained once there was a newer one.
    return any(constant_time_compare(origin_of(event, key), event.origin) for key in keys().values())


def digest_of(text: str) -> str:
    """A keyed digest, so that equal texts can be told from others without keeping them."""
    return mac(first_key().names, [text])[:DIGEST_DIGITS]


def values_of(event: Any) -> list[Any]:
    """What was written of a row, in the form in which it is hashed."""
    return [str(event.uuid), *(_plain(getattr(event, name)) for name in WRITTEN)]


def mac(key: bytes, told: Iterable[Any]) -> str:
    """HMAC-SHA256 over the values as JSON that has one form only."""
    # By name: OpenSSL computes it in one call then.
    return hmac.digest(key, _ENCODER.encode(list(told)).encode(), "sha256").hex()


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int | str | dict) else str(value)


@lru_cache(maxsize=8)
def _derived(entries: tuple[str, ...]) -> Mapping[str, AuditKey]:
    made = [_key_of(entry) for entry in entries]
    return {key.id: key for key in made}


def _key_of(entry: str) -> AuditKey:
    return AuditKey(
        id=_derive(entry, b"personalq audit key id", 8).hex(),
        chain=_derive(entry, b"personalq audit", 32),
        origin=_derive(entry, b"personalq audit origin", 32),
        names=_derive(entry, b"personalq audit names", 32),
    )


def _derive(entry: str, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(entry.encode())
