"""How Redis or Valkey can be reached, and what can be done there."""

from typing import Any, Final
from urllib.parse import urlsplit

import redis
from django.conf import settings

from personalq.lib.inspection import Result, Scene, bad, fine, inspection, name_some, noted, unknown
from personalq.lib.inspections.configuration import LOOPBACK

SECONDS: Final = 5
_EVERYWHERE: Final = frozenset({"*", "0.0.0.0", "::", "-::*", "::0", ""})  # noqa: S104 - compared, not bound
# What turns a cache into a way to run code or to take data away, each in a form that changes nothing: the server looks
# at the number of words first, then at who may, and only then at what they mean.
_HARMLESS: Final = {
    "CONFIG": ("CONFIG", "GET", "maxmemory"),
    "DEBUG": ("DEBUG", "HELP"),
    "MODULE": ("MODULE", "LIST"),
    "REPLICAOF": ("REPLICAOF", "no-such-host.invalid", "no-port"),
    "SHUTDOWN": ("SHUTDOWN", "no-such-mode"),
}
DANGEROUS: Final = tuple(_HARMLESS)


def _client() -> Any:
    # Of our three databases each is on the same server.
    return redis.Redis.from_url(settings.REDIS_CACHE_URL, socket_timeout=SECONDS, decode_responses=True)


def _is_socket() -> bool:
    return urlsplit(settings.REDIS_CACHE_URL).scheme == "unix"


def _is_loopback() -> bool:
    return (urlsplit(settings.REDIS_CACHE_URL).hostname or "") in LOOPBACK


def _configuration(client: Any, *wanted: str) -> dict[str, str] | None:
    """What the server says about these settings; None when it may not be asked, as it should be."""
    try:
        return {name: value for each in wanted for name, value in client.config_get(each).items()}
    except redis.ResponseError:
        return None


@inspection(
    "redis.password",
    "medium",
    "critical",
    looks_at="Whether Redis lets in whoever connects. A unix socket is guarded by its file. Medium: from this machine "
    "only. Critical: over a network.",
    advice="Set requirepass (or an ACL user) and put it into REDIS_URL, or use a unix socket.",
)
def password(_: Scene) -> Result:
    if _is_socket():
        return fine("Redis is reached by a unix socket.")
    url = urlsplit(settings.REDIS_CACHE_URL)
    bare = redis.Redis(
        host=url.hostname or "", port=url.port or 6379, ssl=url.scheme == "rediss", socket_timeout=SECONDS
    )
    try:
        bare.ping()
    except (redis.AuthenticationError, redis.ResponseError):
        return fine("Redis asks for a password.")
    except redis.RedisError as error:
        return unknown(f"Redis did not answer ({type(error).__name__}).", advice="See that it runs, then look again.")
    finally:
        bare.close()
    return bad("medium" if _is_loopback() else "critical", "Redis lets in whoever connects, without a password.")


@inspection(
    "redis.exposure",
    "medium",
    "high",
    looks_at="On which addresses Redis listens, and whether its protected mode is on. High: on all, without it.",
    advice="Bind it to the address the product uses (bind 127.0.0.1), leave protected-mode on, and keep the port "
    "closed to others.",
)
def exposure(_: Scene) -> Result:
    with _client() as client:
        found = _configuration(client, "bind", "port", "tls-port", "protected-mode")
    if found is None:
        return noted("The product may not ask how Redis listens, which is right; look at its configuration.")
    if found.get("port") == "0" and found.get("tls-port", "0") == "0":
        return fine("Redis listens on a unix socket only.")
    is_everywhere = bool(set(found.get("bind", "").split()) & _EVERYWHERE) or not found.get("bind")
    if is_everywhere and found.get("protected-mode") == "no":
        return bad("high", "Redis listens on all addresses, with its protected mode off.")
    if is_everywhere:
        return bad("medium", "Redis listens on all addresses.")
    return fine(f"Redis listens on {found.get('bind')}.")


@inspection(
    "redis.commands",
    "low",
    looks_at="Whether the product's user may give commands that steer the server itself: " + ", ".join(DANGEROUS) + ". "
    "A unix socket that only the product's operating-system user reaches is left out.",
    advice="Give the product an ACL user without the categories @admin and @dangerous, but with INFO, and try it out "
    "before you rely on it. Commands may also be renamed away in the server's configuration.",
)
def commands(_: Scene) -> Result:
    if _is_socket():
        return fine("Redis belongs to the product alone.")
    with _client() as client:
        found = [each for each in DANGEROUS if _is_allowed(client, each)]
    if found:
        return bad("low", f"Whoever takes over the product may give Redis {name_some(found)}.")
    return fine("Commands that steer the server are closed to the product.")


def _is_allowed(client: Any, command: str) -> bool:
    try:
        client.execute_command(*_HARMLESS[command])
    except redis.exceptions.NoPermissionError:
        return False
    except redis.ResponseError as error:
        # Renamed away, or switched off for everybody, as DEBUG is by default.
        return not str(error).lower().startswith(("unknown command", "debug command not allowed"))
    return True


@inspection(
    "redis.eviction",
    "low",
    looks_at="Whether Redis would throw away counters and messages when its memory is full.",
    advice="Set maxmemory-policy noeviction.",
)
def eviction(_: Scene) -> Result:
    with _client() as client:
        found = _configuration(client, "maxmemory-policy")
    if found is None:
        return noted("The product may not ask, which is right; see that it is noeviction.")
    policy = found.get("maxmemory-policy")
    return fine("Nothing is thrown away.") if policy == "noeviction" else bad("low", f"The policy is {policy}.")
