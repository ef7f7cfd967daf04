"""What attempts consume: tokens and money. Pure data."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What an attempt has consumed so far or in the end, as far as its runner knows; None is what nobody told."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int = 0
    """How many of `tokens_in` the provider had kept from before, which costs less."""
    cost: Decimal | None = None
    """US dollars, when the one who did the work told; otherwise the price table decides."""

    @property
    def tokens(self) -> int:
        """In and out together."""
        return (self.tokens_in or 0) + (self.tokens_out or 0)
