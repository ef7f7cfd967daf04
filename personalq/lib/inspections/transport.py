"""What goes over networks: TLS of the installation, and of its connections to PostgreSQL and Redis."""

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.db import connection

from personalq.lib import probing
from personalq.lib.inspection import Result, Scene, bad, fine, inspection, noted, unknown
from personalq.lib.inspections.configuration import LOOPBACK

SOON: Final = timedelta(days=21)
_ADVICE_REACH: Final = "Start the installation, and name its address with --url."
_VERIFIED: Final = frozenset({"verify-full", "verify-ca"})


@inspection(
    "tls.certificate",
    "medium",
    "high",
    "critical",
    looks_at="The certificate at the installation's address: name, authority, end. Medium: less than 21 days left. "
    "High: no TLS at all though others come. Critical: not valid.",
    advice="Renew the certificate, for the name that people use, and see that your proxy does so by itself.",
)
def certificate(scene: Scene) -> Result:
    where = urlsplit(scene.url)
    if where.scheme != "https":
        return _without_tls(where.hostname or "")
    try:
        shown = probing.certificate_of(where.hostname or "", where.port or 443)
    except ssl.SSLCertVerificationError as error:
        return bad("critical", f"Browsers refuse the certificate: {error.verify_message}.")
    except ssl.SSLError:
        return bad("critical", "No TLS connection of version 1.2 or newer can be made.")
    except probing.Unreachable as error:
        return unknown(str(error), advice=_ADVICE_REACH)
    left = shown.expires_at - datetime.now(UTC)
    if left < SOON:
        return bad("medium", f"The certificate ends in {left.days} days.")
    return fine(f"The certificate is good for {left.days} days.", version=shown.version)


def _without_tls(host: str) -> Result:
    if not host:
        return unknown("no address was given.", advice=_ADVICE_REACH)
    if host in LOOPBACK:
        return noted("The address is on this machine and has no TLS.")
    return bad("high", "The address has no TLS: passwords and tokens go over the network in clear.")


@inspection(
    "tls.versions",
    "medium",
    looks_at="Whether TLS 1.0 or 1.1 is still spoken.",
    advice="Allow TLS 1.2 and 1.3 only in your proxy (deploy/nginx.conf does; Caddy does by itself).",
)
def versions(scene: Scene) -> Result:
    where = urlsplit(scene.url)
    if where.scheme != "https":
        return noted("The address has no TLS.")
    try:
        is_old = probing.takes_old_versions(where.hostname or "", where.port or 443)
    except probing.Unreachable as error:
        return unknown(str(error), advice=_ADVICE_REACH)
    return bad("medium", "TLS 1.0 or 1.1 is spoken.") if is_old else fine("TLS 1.2 or newer is required.")


@inspection(
    "tls.database",
    "medium",
    "high",
    looks_at="Whether the way to PostgreSQL is a socket, loopback, or TLS with a verified certificate. Medium: TLS, "
    "but anybody's certificate is taken. High: none, as it is or as it is asked for.",
    advice="Use ?sslmode=verify-full&sslrootcert=/path/ca.pem in DATABASE_URL, or a unix socket.",
)
def database(_: Scene) -> Result:
    host = str(connection.settings_dict["HOST"] or "")
    if not host or host.startswith("/") or host in LOOPBACK:
        return fine("PostgreSQL is on this machine.")
    mode = str(connection.settings_dict["OPTIONS"].get("sslmode", "prefer"))
    if mode in _VERIFIED:
        return fine(f"PostgreSQL is reached by TLS, {mode}.")
    if mode == "require":
        return bad("medium", "PostgreSQL is reached by TLS, but nobody looks whose certificate it is.")
    return bad("high", f"The way to PostgreSQL may be in clear (sslmode {mode}).")


@inspection(
    "tls.redis",
    "medium",
    "high",
    looks_at="The same for Redis or Valkey.",
    advice="Use rediss://…?ssl_ca_certs=/path/ca.pem in REDIS_URL, or a unix socket.",
)
def redis(_: Scene) -> Result:
    return judge_redis_url(settings.REDIS_CACHE_URL)


def judge_redis_url(url: str) -> Result:
    """How well the way to a Redis server is protected."""
    where = urlsplit(url)
    options: dict[str, list[Any]] = parse_qs(where.query)
    if where.scheme == "unix" or where.hostname in LOOPBACK:
        return fine("Redis is on this machine.")
    if where.scheme != "rediss":
        return bad("high", "The way to Redis is in clear, its password with it.")
    if options.get("ssl_cert_reqs", ["required"])[-1].lower() not in {"required", "cert_required"}:
        return bad("medium", "Redis is reached by TLS, but nobody looks whose certificate it is.")
    return fine("Redis is reached by TLS with a verified certificate.")
