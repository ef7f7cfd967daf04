"""System checks of our own: configurations that run and are unsafe. Importing this module registers them.

E001 to E009 stop every command. W001 and W002 are shown by ``manage.py check --deploy`` only, W003
by every command.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured

from personalq.lib.client_address import parse_networks
from personalq.lib.commands import missing_parts
from personalq.lib.rates import DEFAULT_RATES, parse_rate
from personalq.lib.unsafe import is_local_or_plain

EDGE = "personalq.lib.middleware.Edge"
SECURITY = "django.middleware.security.SecurityMiddleware"
VIEW_ERRORS = "personalq.lib.middleware.ViewErrors"

_REDIS_SETTINGS = ("REDIS_LAYER_URL", "REDIS_CACHE_URL", "CELERY_BROKER_URL")


def is_production() -> bool:
    """HTTPS is what an installation for others has; the loopback installation switches it off."""
    return bool(settings.PERSONALQ_HTTPS)


@register(Tags.security)
def check_safety(**_: Any) -> list[CheckMessage]:
    return [*_production_errors(), *_order_errors(), *_value_errors()]


@register(Tags.security, deploy=True)
def check_deployment(**_: Any) -> list[CheckMessage]:
    return [*_local_origins(), *_bare_redis()] if is_production() else []


@register
def check_programs(**_: Any) -> list[CheckMessage]:
    """What agents are allowed to run and start from should be there before the first task needs it."""
    sentences = missing_parts(settings.PERSONALQ_COMMANDS, settings.PERSONALQ_WORKSPACES)
    hint = "Correct PERSONALQ_COMMANDS or PERSONALQ_WORKSPACES. A machine without workers can do without it."
    return [CheckWarning(sentence, hint=hint, id="personalq.W003") for sentence in sentences]


def _production_errors() -> Iterator[CheckMessage]:
    if not is_production():
        return
    if any(host.strip() in {"*", "."} for host in settings.ALLOWED_HOSTS):
        yield Error(
            "ALLOWED_HOSTS admits every host name.",
            hint="List the names under which people reach this installation.",
            id="personalq.E001",
        )
    if settings.DEBUG:
        yield Error(
            "DEBUG is on while PERSONALQ_HTTPS is on.",
            hint="Unset DEBUG: its error pages show settings and local variables.",
            id="personalq.E002",
        )


def _order_errors() -> Iterator[CheckMessage]:
    layers = list(settings.MIDDLEWARE)
    if layers[:2] != [EDGE, SECURITY]:
        yield Error(
            "Edge and SecurityMiddleware are not the two outermost layers.",
            hint=f"Begin MIDDLEWARE with {EDGE} and {SECURITY}, or some answers lack their headers.",
            id="personalq.E003",
        )
    if layers[-1:] != [VIEW_ERRORS]:
        yield Error(
            "ViewErrors is not the innermost layer.",
            hint=f"End MIDDLEWARE with {VIEW_ERRORS}, or every layer costs two thread hops per request.",
            id="personalq.E004",
        )


def _value_errors() -> Iterator[CheckMessage]:
    try:
        parse_networks(tuple(settings.PERSONALQ_TRUSTED_PROXIES))
    except ValueError:
        yield Error(
            "PERSONALQ_TRUSTED_PROXIES holds something that is no address and no network.",
            hint="Write 10.0.0.5, 10.0.0.0/24, fd00::/8 or unix, separated by commas.",
            id="personalq.E005",
        )
    for name, default in DEFAULT_RATES.items():
        try:
            parse_rate(getattr(settings, name, default))
        except ImproperlyConfigured as error:
            yield Error(f"{name} is not a rate.", hint=str(error), id="personalq.E006")


def _local_origins() -> Iterator[CheckMessage]:
    if any(is_local_or_plain(origin) for origin in settings.CSRF_TRUSTED_ORIGINS):
        yield CheckWarning(
            "CSRF_TRUSTED_ORIGINS trusts a local or unencrypted origin.",
            hint="Remove localhost and http:// origins from the production configuration.",
            id="personalq.W001",
        )


def _bare_redis() -> Iterator[CheckMessage]:
    for name in _REDIS_SETTINGS:
        url = urlsplit(getattr(settings, name, "") or "")
        is_socket = url.scheme in {"", "unix", "redis+socket"}
        if not is_socket and not url.password:
            yield CheckWarning(
                f"{name} reaches Redis over the network without a password.",
                hint="Set a password (redis://:password@host:6379), or use a unix socket.",
                id="personalq.W002",
            )
