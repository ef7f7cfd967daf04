"""When a provider's limit ends, read from what the provider says: headers of an answer, or words of a program.

Sources: RFC 9110 section 10.2.3 (Retry-After); the rate limit headers that Anthropic and OpenAI document for their
APIs; the messages of the Claude Code, Codex and Cursor programs.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

_UNIT_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = r"[0-9]{1,6}(?:\.[0-9]{1,6})?\s*(?:ms|[smhd])[a-z]*"
_DURATIONS: Final = re.compile(rf"{_DURATION}(?:[\s,]*(?:and\s+)?{_DURATION})*", re.IGNORECASE)
_PART: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*(ms|[smhd])[a-z]*", re.IGNORECASE)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_USAGE: Final = re.compile(
    r"\b(?:usage|session|weekly|daily|monthly|[0-9]+[- ]?hour|opus|sonnet|pro|max|your)\s+(?:usage\s+)?limit\b",
    re.IGNORECASE,
)
_LIMIT: Final = re.compile(
    r"\blimit (?:reached|exceeded)\b|\b(?:hit|reached|exceeded) (?:your|the) (?:\w+ )?limit\b"
    r"|\brate[ _-]limit(?:ed|_error|_exceeded)?\b|\btoo many requests\b",
    re.IGNORECASE,
)
_EPOCH: Final = re.compile(r"limit reached\|([0-9]{10})\b", re.IGNORECASE)
_INSTANT: Final = re.compile(
    r"\b([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:?[0-9]{2}))"
)
_AFTER: Final = re.compile(
    r"\b(?:try again|retry|resets?|available)\s+(?:in|after)\s+(.{1,80})", re.IGNORECASE | re.DOTALL
)
_CLOCK: Final = re.compile(
    r"\b(?:resets?|reset|try again|available)\s+(?:at\s+|on\s+)?"
    r"(?:(?P<month>[A-Z][a-z]{2})[a-z]*\.?\s+(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?,?\s+(?:(?P<year>[0-9]{4}),?\s+)?(?:at\s+)?)?"
    r"(?P<hour>[0-9]{1,2})(?::(?P<minute>[0-9][0-9]))?\s*(?P<half>am|pm)?\b"
    r"\s*\(?(?P<zone>[A-Z]{1,20}/[\w/+-]{1,40}|UTC|GMT)?",
    re.IGNORECASE,
)
HOURS_OF_HALF: Final = 12
JUST_PAST: Final = timedelta(minutes=10)
"""A time of day that is over for no longer than this is not tomorrow's: the limit has just ended."""
SOON: Final = timedelta(seconds=30)


@dataclass(frozen=True, kw_only=True)
class ProviderLimit:
    """A limit that a provider told of; `ends_at` is None when it did not say."""

    code: str
    ends_at: datetime | None


def limit_in_text(text: str, *, now: datetime, zone: tzinfo | None = None) -> ProviderLimit | None:
    """The limit that a program's last words tell of, if they do.

    A time of day without a zone is meant in `zone`, by default the machine's own.
    """
    is_usage = bool(_USAGE.search(text)) and bool(_LIMIT.search(text))
    if not is_usage and not _LIMIT.search(text):
        return None
    ends = (found for found in _ends_in_text(text, now, zone or machine_zone()) if found > now)
    return ProviderLimit(code="usage_limited" if is_usage else "rate_limited", ends_at=next(ends, None))


def end_in_headers(headers: Mapping[str, str], *, now: datetime) -> datetime | None:
    """When the limit of an HTTP answer ends: Retry-After if it is there, else the reset of what is used up."""
    given = {name.lower(): value.strip() for name, value in headers.items()}
    return _retry_after(given, now) or max(_resets_of_used_up(given, now), default=None)


def machine_zone() -> tzinfo:
    """The zone of the machine's clock, which programs go by; the product itself runs in UTC."""
    try:
        with Path("/etc/localtime").open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC


def _ends_in_text(text: str, now: datetime, zone: tzinfo) -> Iterator[datetime]:
    if found := _EPOCH.search(text):
        yield datetime.fromtimestamp(int(found[1]), UTC)
    for found in _INSTANT.finditer(text):
        if (instant := _instant(found[1])) is not None:
            yield instant
    for found in _AFTER.finditer(text):
        if duration := _DURATIONS.match(found[1].strip()):
            yield now + _duration(duration[0])
    for found in _CLOCK.finditer(text):
        if (moment := _moment(found, now, zone)) is not None:
            yield moment


def _moment(found: re.Match[str], now: datetime, zone: tzinfo) -> datetime | None:
    """The next time that a clock shows what was said."""
    if not (found["minute"] or found["half"]):
        return None
    try:
        place = ZoneInfo(found["zone"]) if found["zone"] else zone
        clock = time(_hour(int(found["hour"]), found["half"]), int(found["minute"] or 0))
        today = now.astimezone(place)
        if found["month"]:
            return _dated(found, today, clock)
        moment = datetime.combine(today.date(), clock, place)
        if now - JUST_PAST < moment <= now:
            return now + SOON
        return moment if moment > now else datetime.combine(today.date() + timedelta(days=1), clock, place)
    except (ValueError, KeyError, OSError):
        # Not a time or not a zone: the words meant something else.
        return None


def _dated(found: re.Match[str], today: datetime, clock: time) -> datetime:
    month = _MONTHS.index(found["month"][:3].lower()) + 1
    year = int(found["year"] or today.year)
    moment = datetime(year, month, int(found["day"]), clock.hour, clock.minute, tzinfo=today.tzinfo)
    is_next_year = not found["year"] and moment < today - timedelta(days=1)
    return moment.replace(year=year + 1) if is_next_year else moment


def _hour(hour: int, half: str | None) -> int:
    if half is None:
        return hour
    if not 1 <= hour <= HOURS_OF_HALF:
        raise ValueError
    return hour % HOURS_OF_HALF + (HOURS_OF_HALF if half.lower() == "pm" else 0)


def _retry_after(headers: Mapping[str, str], now: datetime) -> datetime | None:
    milliseconds = headers.get("retry-after-ms", "")
    if re.fullmatch(r"[0-9]{1,10}(?:\.[0-9]+)?", milliseconds):
        return now + timedelta(milliseconds=float(milliseconds))
    value = headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]{1,8}(?:\.[0-9]+)?", value):
        return now + timedelta(seconds=float(value))
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _resets_of_used_up(headers: Mapping[str, str], now: datetime) -> Iterator[datetime]:
    for name, value in headers.items():
        found = re.fullmatch(r"(anthropic-ratelimit-[a-z-]+)-reset|x-ratelimit-reset-([a-z]+)", name)
        if found is None:
            continue
        kind = f"{found[1]}-remaining" if found[1] else f"x-ratelimit-remaining-{found[2]}"
        if headers.get(kind, "0") == "0" and (reset := _reset(value, now)) is not None:
            yield reset


def _reset(value: str, now: datetime) -> datetime | None:
    """A reset as Anthropic (a time, or seconds since 1970) or OpenAI (a duration such as 6m0s) writes it."""
    if re.fullmatch(r"[0-9]{10}", value):
        return datetime.fromtimestamp(int(value), UTC)
    if _DURATIONS.fullmatch(value):
        return now + _duration(value)
    return _instant(value)


def _instant(value: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return instant if instant.tzinfo else None


def _duration(text: str) -> timedelta:
    seconds = sum(float(number) * _UNIT_SECONDS[unit.lower()] for number, unit in _PART.findall(text))
    return timedelta(seconds=min(seconds, 366 * 86_400))
