"""What a request brings to its verification, and what a scheme has to say about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from webhooks.models import Door

TOLERANCE_SECONDS: Final = 300
LONGEST_HEADER: Final = 4096


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A request, as it came."""

    door: Door | None
    body: bytes = field(repr=False)
    header: Callable[[str], str | None] = field(repr=False)
    """The value of a header that was sent once; None for all others."""
    now: float
    """Seconds since 1970."""


class Scheme(Protocol):
    """What the module of a scheme offers."""

    def proof_header(self, door: Door | None) -> str:
        """The header that the proof stands in."""

    def verify(self, secret: str, arrival: Arrival) -> bool:
        """Whether the holder of the secret has sent this, not long ago if the scheme tells when."""

    def key_of(self, arrival: Arrival, payload: Mapping[str, Any]) -> str:
        """The sender's id of what it sent; empty when there is none."""

    def signs_key(self) -> bool:
        """Whether nobody but the sender can have written that id."""

    def event_of(self, arrival: Arrival, payload: Mapping[str, Any]) -> str:
        """What happened, in the sender's word; empty when it has none."""

    def ignored_because(self, event: str) -> str:
        """A code for what asks for no task; empty for all else."""


def is_fresh(text: str | None, now: float) -> bool:
    """Whether a time in seconds since 1970 is at most five minutes away, in whichever direction."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > len(str(2**63)):
        return False
    return abs(now - int(text)) <= TOLERANCE_SECONDS
