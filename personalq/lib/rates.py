"""How rates are written, and which ones the product has."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured

# Each is a setting of the same name, and an environment variable that overrides it.
DEFAULT_RATES: Mapping[str, str] = {
    "PERSONALQ_RATE_SIGN_IN_NAME": "10/m",  # per user name and address
    "PERSONALQ_RATE_SIGN_IN_ADDRESS": "30/m",  # per address, over all names
    "PERSONALQ_RATE_SIGN_IN_ACCOUNT": "100/h",  # failures per user name, over all addresses
    "PERSONALQ_RATE_SECOND_FACTOR": "10/10m",  # codes per user and address
    "PERSONALQ_RATE_SECOND_FACTOR_ACCOUNT": "30/h",  # failures per user, over all addresses
    "PERSONALQ_RATE_RESET_ADDRESS": "20/h",  # per address
    "PERSONALQ_RATE_RESET_NAME": "5/h",  # per name or e-mail address that is typed, over all addresses
    "PERSONALQ_RATE_CODE": "30/m",  # per address
    "PERSONALQ_RATE_TOKEN_REFRESH": "60/m",  # per address
    "PERSONALQ_RATE_DOOR": "600/m",  # per door
    "PERSONALQ_RATE_DOOR_FAILURE": "60/m",  # per address
    "PERSONALQ_RATE_TELEGRAM_CODE": "10/h",  # per chat
    "PERSONALQ_RATE_NOTICES_OFF": "30/m",  # per address
    "PERSONALQ_RATE_CSP_REPORTS": "60/m",  # per address
    "PERSONALQ_RATE_TASK_CREATE": "3000/m",  # per user, as all below
    "PERSONALQ_RATE_TASK_BATCH": "60/m",
    "PERSONALQ_RATE_READ": "6000/m",
    "PERSONALQ_RATE_MCP": "3000/m",
    "PERSONALQ_RATE_TASK_CHANGE": "1200/m",
    "PERSONALQ_RATE_AGENT_CHANGE": "120/m",
    "PERSONALQ_RATE_AGENT_TEST": "10/m",
    "PERSONALQ_RATE_QUEUE_CHANGE": "120/m",
    "PERSONALQ_RATE_CREDENTIAL_CHANGE": "60/m",
    "PERSONALQ_RATE_CREDENTIAL_TEST": "10/m",
    "PERSONALQ_RATE_TOKEN_CHANGE": "30/m",
    "PERSONALQ_RATE_SESSION_CHANGE": "30/m",
    "PERSONALQ_RATE_DOOR_CHANGE": "60/m",
    "PERSONALQ_RATE_EMAIL_CHANGE": "5/h",
    "PERSONALQ_RATE_INVITATION": "60/h",
}

_RATE = re.compile(r"([0-9]{1,9})/([0-9]{0,5})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Rate:
    """At most ``count`` in each window of ``seconds``."""

    count: int
    seconds: int


def parse_rate(text: str) -> Rate:
    """Read "10/m" or "100/5m".

    Raises:
        ImproperlyConfigured: It is something else.
    """
    match = _RATE.fullmatch(text.strip())
    seconds = int(match[2] or 1) * _SECONDS[match[3]] if match else 0
    if match is None or seconds == 0:
        raise ImproperlyConfigured("A rate is written as 10/m, 100/5m, 1000/h or 1/s.")
    return Rate(count=int(match[1]), seconds=seconds)
