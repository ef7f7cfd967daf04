"""How often somebody may do something: fixed windows counted by django-ratelimit in Redis.

    limit(request, group="task-create", key=str(user.uuid), rate="PERSONALQ_RATE_TASK_CREATE")

Keys are hashed before they reach Redis, whatever they are made of.
"""

import hashlib
import logging
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from personalq.lib.client_address import address_group, client_address, wider_address_group
from personalq.lib.errors import RateLimited, Unavailable
from personalq.lib.rates import DEFAULT_RATES, Rate, parse_rate

WIDER_TIMES: Final = 4
"""How much more the /48 of an IPv6 address may do than each /64 of it."""
_CACHE_FAILURES = (RedisError, ConnectionInterrupted, OSError)

_logger = logging.getLogger("personalq.rate_limits")


@dataclass(frozen=True)
class Usage:
    """Where somebody stands in the present window."""

    group: str
    rate: Rate
    used: int
    seconds_left: int

    @property
    def is_exceeded(self) -> bool:
        return self.used > self.rate.count

    @property
    def is_exhausted(self) -> bool:
        return self.used >= self.rate.count

    @property
    def headers(self) -> dict[str, str]:
        """RateLimit-Policy and RateLimit in the form of draft-ietf-httpapi-ratelimit-headers-10."""
        remaining = max(0, self.rate.count - self.used)
        return {
            "RateLimit-Policy": f'"{self.group}";q={self.rate.count};w={self.rate.seconds}',
            "RateLimit": f'"{self.group}";r={remaining};t={self.seconds_left}',
        }


def limit(
    request: HttpRequest | Request,
    *,
    group: str,
    key: str,
    rate: str | Rate,
    fail_open: bool = True,
    is_counted: bool = True,
) -> Usage | None:
    """Count one use of ``group`` by ``key``.

    Args:
        request: The request, for django-ratelimit.
        group: A name of letters and dashes, which clients see in headers.
        key: Whom to count; any text, hashed here.
        rate: "10/m", the name of a setting such as PERSONALQ_RATE_TASK_CREATE, or a rate itself.
        fail_open: Whether to go on uncounted when Redis does not answer.
        is_counted: Without it this use is not counted; it is refused when another one would be.

    Returns:
        The usage for headers; None when nothing could be counted.

    Raises:
        RateLimited: This use is one too many.
        Unavailable: Redis does not answer and ``fail_open`` is off.
    """
    if not getattr(settings, "RATELIMIT_ENABLE", True):
        return None
    usage = _count(request, group, key, _rate_of(rate), is_counted=is_counted)
    if usage is None:
        if not fail_open:
            raise Unavailable
        return None
    if usage.is_exceeded or (not is_counted and usage.is_exhausted):
        raise RateLimited(retry_after_seconds=usage.seconds_left, headers=usage.headers)
    return usage


def limit_address(
    request: HttpRequest | Request, *, group: str, rate: str, about: str = "", fail_open: bool = True
) -> Usage | None:
    """Count one use by the client's address: of an IPv6 address its /64 and, with four times as much, its /48.

    Args:
        request: The request whose client is counted.
        group: As for `limit`.
        rate: As for `limit`.
        about: What else is counted apart, such as the user name that is tried.
        fail_open: As for `limit`.

    Raises RateLimited and Unavailable as `limit` does; returns the usage of the narrower group.
    """
    plain = request._request if isinstance(request, Request) else request
    address = client_address(plain)
    narrow, wide = address_group(address), wider_address_group(address)
    usage = limit(plain, group=group, key=f"{about}\n{narrow}", rate=rate, fail_open=fail_open)
    if wide != narrow:
        allowed = _rate_of(rate)
        more = Rate(count=allowed.count * WIDER_TIMES, seconds=allowed.seconds)
        limit(plain, group=f"{group}-network", key=f"{about}\n{wide}", rate=more, fail_open=fail_open)
    return usage


def limit_sign_in(request: HttpRequest | Request, username: str) -> None:
    """Count one attempt to sign in, by name and address and by address alone.

    Fails closed: passwords could be guessed without limit while Redis is away.
    """
    name = normalised_username(username)
    limit_address(request, group="sign-in-address", rate="PERSONALQ_RATE_SIGN_IN_ADDRESS", fail_open=False)
    limit_address(request, group="sign-in-name", rate="PERSONALQ_RATE_SIGN_IN_NAME", about=name, fail_open=False)


def normalised_username(username: str) -> str:
    """One spelling for what may be one account: compatibility forms, case and outer blanks are levelled."""
    return unicodedata.normalize("NFKC", username).strip().casefold()


class RateLimitedView(APIView):
    """An API view with limits per user, or per address for strangers.

    ``rate_limits = {"POST": ("task-create", "PERSONALQ_RATE_TASK_CREATE")}``
    """

    rate_limits: ClassVar[Mapping[str, tuple[str, str]]] = {}
    _usage: Usage | None = None

    def check_throttles(self, request: Request) -> None:
        super().check_throttles(request)
        wanted = self.rate_limits.get(request.method or "")
        if wanted is not None:
            group, rate = wanted
            self._usage = limit_actor(request, group=group, rate=rate)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        for name, value in self._usage.headers.items() if self._usage else ():
            final.headers.setdefault(name, value)
        return final


def limit_actor(request: Request, *, group: str, rate: str) -> Usage | None:
    """Count one use by the user or, for a stranger, by the address."""
    user = request.user
    if user.is_authenticated:
        return limit(request, group=group, key=f"user\n{user.pk}", rate=rate)
    return limit_address(request, group=group, rate=rate, about="address")


def _rate_of(rate: str | Rate) -> Rate:
    if isinstance(rate, Rate):
        return rate
    if rate.startswith("PERSONALQ_"):
        return parse_rate(getattr(settings, rate, DEFAULT_RATES.get(rate, "")))
    return parse_rate(rate)


def _count(
    request: HttpRequest | Request, group: str, key: str, rate: Rate, *, is_counted: bool = True
) -> Usage | None:
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    try:
        usage = get_usage(
            request,
            group=group,
            key=lambda _group, _request: digest,
            rate=(rate.count, rate.seconds),
            increment=is_counted,
        )
    except _CACHE_FAILURES as failure:
        _logger.error("Nothing is counted for %s: %s", group, type(failure).__name__)  # noqa: TRY400 - no URL in logs
        return None
    # A negative time left is how django-ratelimit says that the counter vanished between its two commands.
    if usage is None or usage["time_left"] < 0:
        return None
    return Usage(group=group, rate=rate, used=usage["count"], seconds_left=max(1, usage["time_left"]))
