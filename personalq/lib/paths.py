"""Which paths programs use. They get JSON errors, no redirects and no session pages. And those of health checks."""

import re

# Where clients of the older cursor-agents service find what they know.
OLDER_PREFIX = "cursor-agents"
# Whatever is answered there is said aloud by a voice agent.
SPOKEN_PREFIX = "agent-tools"
MACHINE_PREFIXES = ("api", "ws", "webhooks", SPOKEN_PREFIX, "mcp", OLDER_PREFIX)

# For SECURE_REDIRECT_EXEMPT, which Django matches against the path without its first slash.
MACHINE_PATHS_PATTERN = rf"^(?:{'|'.join(MACHINE_PREFIXES)})(?:/|$)"
HEALTH_PATHS_PATTERN = r"^(?:healthz|readyz)/?$"

_MACHINE_PATH = re.compile(rf"/+(?:{'|'.join(MACHINE_PREFIXES)})(?:/|\Z)")
_API_PATH = re.compile(rf"/+(?:api|{OLDER_PREFIX})(?:/|\Z)")
_OLDER_PATH = re.compile(rf"/+{OLDER_PREFIX}(?:/|\Z)")
_SPOKEN_PATH = re.compile(rf"/+{SPOKEN_PREFIX}(?:/|\Z)")
_HEALTH_PATH = re.compile(r"/(?:healthz|readyz)/?\Z")


def is_machine_path(path: str) -> bool:
    return _MACHINE_PATH.match(path) is not None


def is_api_path(path: str) -> bool:
    """Whether routes there have no slash at their end, and strangers get one same 401."""
    return _API_PATH.match(path) is not None


def is_older_path(path: str) -> bool:
    """Whether errors there have the shape of the older cursor-agents service."""
    return _OLDER_PATH.match(path) is not None


def is_spoken_path(path: str) -> bool:
    """Whether errors there have a sentence to be said."""
    return _SPOKEN_PATH.match(path) is not None


def is_health_path(path: str) -> bool:
    return _HEALTH_PATH.match(path) is not None
