"""Signatures of ElevenLabs' webhooks.

`ElevenLabs-Signature: t=<unix time>,v0=<hex HMAC-SHA256 of "<t>.<body>">`, keyed with the whole secret as it is shown,
`wsec_` included. Their SDK takes what is at most 30 minutes old, and whatever lies in the future; we do not.
Source: https://elevenlabs.io/docs/eleven-api/resources/webhooks and elevenlabs-python, `webhooks_custom.py`.
"""

import hashlib
import hmac
import re
from typing import Final

from django.utils.crypto import constant_time_compare

HEADER: Final = "ElevenLabs-Signature"
OLDEST_SECONDS: Final = 30 * 60
FARTHEST_SECONDS: Final = 5 * 60
SHORTEST_SECRET: Final = 16
LONGEST_HEADER: Final = 512

_TIME: Final = re.compile(r"t=([0-9]{1,12})", re.ASCII)
_DIGEST: Final = re.compile(r"v0=([0-9a-f]{64})", re.ASCII)


def verify(secret: str, header: str, body: bytes, now: float) -> bool:
    """Whether the holder of the secret has signed exactly this body, at most 30 minutes ago.

    Args:
        secret: The webhook's secret.
        header: What came as `ElevenLabs-Signature`. It names one time and one digest; parts of other schemes are left
            aside. With two of either, senders and readers would disagree which one counts, so it is refused.
        body: Every byte that came.
        now: Seconds since 1970.
    """
    if len(secret.strip()) < SHORTEST_SECRET or len(header) > LONGEST_HEADER:
        return False
    parts = header.split(",")
    times, digests = _all(_TIME, parts, "t="), _all(_DIGEST, parts, "v0=")
    if len(times) != 1 or len(digests) != 1 or not times[0]:
        return False
    age = now - int(times[0])
    if not -FARTHEST_SECONDS <= age <= OLDEST_SECONDS:
        return False
    return constant_time_compare(digest_of(secret, times[0], body).encode(), digests[0].encode())


def digest_of(secret: str, time: str, body: bytes) -> str:
    """What a sender writes after `v0=`."""
    return hmac.new(secret.encode(), time.encode() + b"." + body, hashlib.sha256).hexdigest()


def _all(form: re.Pattern[str], parts: list[str], beginning: str) -> list[str]:
    """The values of one name; one in a wrong form counts as empty, so that it cannot hide behind a second."""
    named = [part for part in parts if part.startswith(beginning)]
    return [match[1] if (match := form.fullmatch(part)) else "" for part in named]
