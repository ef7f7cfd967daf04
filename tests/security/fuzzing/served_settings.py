"""The product's settings for a server that is asked thousands of things, and that calls nobody outside."""

import socket
from typing import Any

from personalq.lib import rates
from tests.realtime.sockets.served_settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
globals().update(dict.fromkeys(rates.DEFAULT_RATES, "1000000/m"))
PERSONALQ_AGENTS_PER_USER = PERSONALQ_QUEUES_PER_USER = PERSONALQ_SCHEDULES_PER_USER = 100_000
PERSONALQ_CREDENTIALS_PER_USER = PERSONALQ_TOKENS_PER_USER = PERSONALQ_ENDPOINTS_PER_USER = 100_000

look_up = socket.getaddrinfo


def look_up_here_only(host: Any, *arguments: Any, **options: Any) -> Any:
    """Names of others do not exist, so that no request of a campaign leaves this machine."""
    if host not in {None, "127.0.0.1", "localhost", "::1"}:
        raise socket.gaierror(socket.EAI_NONAME, "not looked up in tests")
    return look_up(host, *arguments, **options)


socket.getaddrinfo = look_up_here_only
