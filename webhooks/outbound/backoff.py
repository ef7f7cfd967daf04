"""How long to wait after a failure. Pure."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from tasks.backoff import delay

BASE_SECONDS: Final = 5.0
DELIVERY_CAP_SECONDS: Final = 4 * 3600.0
"""The longest pause between two attempts of one delivery."""
HOLD_CAP_SECONDS: Final = 3600.0
"""The longest time for which nothing at all is tried, unless the endpoint asks for more."""
RETRY_AFTER_CAP_SECONDS: Final = 24 * 3600.0

_SECONDS: Final = re.compile(r"[0-9]{1,10}")


def pause_of_delivery(failures: int, asked_seconds: float | None = None) -> float:
    """Seconds until a delivery is tried again after so many failures (1 or more) and what the endpoint asked for."""
    return _pause(failures, DELIVERY_CAP_SECONDS, asked_seconds)


def pause_of_endpoint(failures: int, asked_seconds: float | None = None) -> float:
    """Seconds for which an endpoint that failed so often in a row gets nothing."""
    return _pause(failures, HOLD_CAP_SECONDS, asked_seconds)


def read_retry_after(value: str, *, now: datetime) -> float | None:
    """The seconds that a Retry-After (RFC 9110, 10.2.3) asks for, at most a day; None for what is no such value."""
    if _SECONDS.fullmatch(value.strip()):
        return min(float(value), RETRY_AFTER_CAP_SECONDS)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((aware - now).total_seconds(), 0.0), RETRY_AFTER_CAP_SECONDS)


def _pause(failures: int, cap: float, asked_seconds: float | None) -> float:
    usual = BASE_SECONDS if failures == 1 else delay(failures, base=BASE_SECONDS, cap=cap).total_seconds()
    return max(usual, asked_seconds or 0.0)
