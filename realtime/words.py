"""Amounts and durations as people read them."""

from decimal import Decimal

_CENTS = Decimal("0.01")
_KIBI = 1024
# From here on days say more.
_HOURS_IN_DAYS = 48


def bytes_in_words(amount: float) -> str:
    """A number of bytes that reads well."""
    size = float(amount)
    for unit in ("bytes", "KiB", "MiB"):
        if size < _KIBI or unit == "MiB":
            return f"{size:g} {unit}" if size == int(size) else f"{size:.1f} {unit}"
        size /= _KIBI
    raise AssertionError  # the loop always returns


def money_in_words(amount: Decimal) -> str:
    """US dollars: whole cents, and of sums below a dollar whatever digits they have beyond."""
    cents = amount.quantize(_CENTS)
    return f"${cents:,f}" if amount >= 1 or cents == amount else f"${amount.normalize():f}"


def duration_in_words(seconds: float) -> str:
    """How long something took; the same words as static/js/lib/times.js uses."""
    if seconds < 10:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= _HOURS_IN_DAYS:
        return f"{hours // 24} days {hours % 24} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
