"""The settings, as they are in force."""

from collections.abc import Iterator
from typing import Final

from django.conf import settings
from django.core.checks import run_checks
from django.db import connection

from personalq.lib.client_address import parse_networks
from personalq.lib.inspection import Result, Scene, bad, fine, inspection, name_some, noted, worst
from personalq.lib.rates import parse_rate
from personalq.lib.unsafe import is_local_or_plain

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
# Whoever may try more often than this can guess.
MOST_SIGN_INS_A_MINUTE: Final = 100
LONGEST_STATEMENT_SECONDS: Final = 300
_GUARDS: Final = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


def is_local() -> bool:
    """Whether this installation answers to names of its own machine only."""
    return bool(settings.ALLOWED_HOSTS) and set(settings.ALLOWED_HOSTS) <= LOOPBACK


@inspection(
    "settings.debug",
    "critical",
    looks_at="Whether error pages show code, settings and local variables.",
    advice="Unset DEBUG and restart all processes.",
)
def debug(_: Scene) -> Result:
    return bad("critical", "DEBUG is on.") if settings.DEBUG else fine("DEBUG is off.")


@inspection(
    "settings.https",
    "low",
    "high",
    looks_at="Whether cookies, HSTS and redirects insist on HTTPS. Low where only this machine's own names are served.",
    advice="Put a TLS proxy in front (docs/operations.md), then set PERSONALQ_HTTPS=true. On one machine, for "
    "yourself, loopback without TLS is what `make run` does.",
)
def https(_: Scene) -> Result:
    if settings.PERSONALQ_HTTPS:
        return fine("HTTPS is required.")
    if is_local():
        return bad("low", "HTTPS is not required; only names of this machine are served.")
    return bad("high", "HTTPS is not required, and other names than this machine's own are served.")


@inspection(
    "settings.hosts",
    "low",
    "high",
    looks_at="Which host names are served: any name lets others choose what links and redirects say.",
    advice="List the exact names in ALLOWED_HOSTS.",
)
def hosts(_: Scene) -> Result:
    if any(host.strip() in {"*", "."} for host in settings.ALLOWED_HOSTS):
        return bad("high", "ALLOWED_HOSTS admits every name.")
    wide = [host for host in settings.ALLOWED_HOSTS if host.startswith(".")]
    if wide:
        return bad("low", f"ALLOWED_HOSTS admits every name below {name_some(wide)}.")
    return fine(f"{len(settings.ALLOWED_HOSTS)} names are served.")


@inspection(
    "settings.origins",
    "low",
    "high",
    looks_at="Whether pages of this machine, or pages without TLS, may post forms and open sockets.",
    advice="Take localhost, loopback addresses and http:// out of CSRF_TRUSTED_ORIGINS.",
)
def origins(_: Scene) -> Result:
    unsafe = [origin for origin in settings.CSRF_TRUSTED_ORIGINS if is_local_or_plain(origin)]
    if unsafe:
        return bad("high" if settings.PERSONALQ_HTTPS else "low", f"Trusted although unsafe: {name_some(unsafe)}.")
    return fine(f"{len(settings.CSRF_TRUSTED_ORIGINS)} other origins are trusted.")


@inspection(
    "settings.proxies",
    "medium",
    "critical",
    looks_at="Who may say where a request came from. Medium from 65,536 addresses on, critical for all of them.",
    advice="Write the proxy's own address into PERSONALQ_TRUSTED_PROXIES, such as 127.0.0.1 or 10.0.0.5.",
)
def proxies(_: Scene) -> Result:
    networks = parse_networks(tuple(settings.PERSONALQ_TRUSTED_PROXIES))
    everybody = [str(each) for each in networks if each.prefixlen == 0]
    if everybody:
        return bad("critical", f"Everybody may forge their address: {name_some(everybody)} is trusted.")
    wide = [str(each) for each in networks if each.prefixlen <= (16 if each.version == 4 else 64)]  # noqa: PLR2004
    if wide:
        return bad("medium", f"Whole networks may forge addresses: {name_some(wide)}.")
    return fine(f"{len(settings.PERSONALQ_TRUSTED_PROXIES)} proxies are trusted.")


@inspection(
    "settings.second_factor",
    "low",
    "medium",
    looks_at="Whether operators have to have a second factor. Low where only this machine's own names are served.",
    advice="Set PERSONALQ_OPERATORS_NEED_SECOND_FACTOR=true once each operator has set theirs up.",
)
def second_factor(_: Scene) -> Result:
    if settings.PERSONALQ_OPERATORS_NEED_SECOND_FACTOR:
        return fine("Operators need a second factor.")
    return bad("low" if is_local() else "medium", "Operators may sign in with a password alone.")


@inspection(
    "settings.email",
    "medium",
    looks_at="Whether e-mails, which hold links and names, leave this machine in clear.",
    advice="Use smtp+tls:// or smtp+ssl:// in PERSONALQ_EMAIL_URL.",
)
def email(_: Scene) -> Result:
    if not settings.PERSONALQ_EMAIL_IS_ON:
        return fine("No e-mails are sent.")
    is_protected = settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL
    if is_protected or settings.EMAIL_HOST in LOOPBACK:
        return fine("E-mails leave by TLS, or stay on this machine.")
    return bad("medium", "E-mails are handed over in clear, the password for it as well.")


@inspection(
    "settings.limits",
    "medium",
    looks_at="Whether the limits that stop guessing were lifted: counting is off, or over 100 sign-ins a minute.",
    advice="Take PERSONALQ_RATE_SIGN_IN_NAME, PERSONALQ_RATE_SIGN_IN_ADDRESS and PERSONALQ_RATE_DOOR_FAILURE back to "
    "their defaults.",
)
def limits(_: Scene) -> Result:
    lifted = [name for name in _GUESSING if _per_minute(name) > MOST_SIGN_INS_A_MINUTE]
    if not getattr(settings, "RATELIMIT_ENABLE", True):
        return bad("medium", "Nothing is counted: RATELIMIT_ENABLE is off.")
    if lifted:
        return bad("medium", f"Guessing is hardly slowed: {name_some(lifted)}.")
    return fine("Guessing is limited.")


_GUESSING: Final = ("PERSONALQ_RATE_SIGN_IN_NAME", "PERSONALQ_RATE_SIGN_IN_ADDRESS", "PERSONALQ_RATE_DOOR_FAILURE")


def _per_minute(name: str) -> float:
    rate = parse_rate(getattr(settings, name))
    return rate.count * 60 / rate.seconds


@inspection(
    "settings.timeouts",
    "medium",
    looks_at="Whether PostgreSQL ends long statements, long waits for locks and forgotten transactions, as in force.",
    advice="Remove what lifts them from DATABASE_URL (options=…), and lower PERSONALQ_STATEMENT_TIMEOUT_SECONDS, "
    "PERSONALQ_LOCK_TIMEOUT_SECONDS and PERSONALQ_IDLE_TRANSACTION_TIMEOUT_SECONDS to 300 at most.",
)
def timeouts(_: Scene) -> Result:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, setting::bigint / 1000.0 FROM pg_settings WHERE name = ANY(%s) ORDER BY 1", [list(_GUARDS)]
        )
        found = {name: float(seconds) for name, seconds in cursor.fetchall()}
    lifted = [name for name, seconds in found.items() if not 0 < seconds <= LONGEST_STATEMENT_SECONDS]
    if lifted:
        return bad("medium", f"Off, or longer than {LONGEST_STATEMENT_SECONDS} seconds: {name_some(lifted)}.")
    return fine("Statements, waits and transactions are limited.", **found)


@inspection(
    "settings.public_url",
    "low",
    looks_at="Whether the product knows the address that links in e-mails and doors begin with.",
    advice="Set PERSONALQ_PUBLIC_URL to the https address under which people come.",
)
def public_url(_: Scene) -> Result:
    if settings.PERSONALQ_PUBLIC_URL:
        return fine(f"Links begin with {settings.PERSONALQ_PUBLIC_URL}.")
    return bad("low", "PERSONALQ_PUBLIC_URL is not set.")


@inspection(
    "settings.checks",
    "medium",
    looks_at="What `manage.py check --deploy` says: Django's checks and our own.",
    advice="Run `manage.py check --deploy`; each line says what to change.",
)
def checks(_: Scene) -> Result:
    messages = list(_deployment_messages())
    if messages:
        return worst(messages, otherwise=fine(""))
    return fine("Django's deployment checks and ours find nothing.")


def _deployment_messages() -> Iterator[Result]:
    # Without HTTPS Django complains about each of its parts; settings.https says it once.
    if not settings.PERSONALQ_HTTPS:
        yield noted("Django's deployment checks count with PERSONALQ_HTTPS only.")
        return
    for message in run_checks(include_deployment_checks=True):
        yield bad("medium", f"{message.id}: {str(message.msg).splitlines()[0]}")
