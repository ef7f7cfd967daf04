"""Which paths programs use. They get JSON errors, no redirects and no session pages. And those of health checks."""

import re

MACHINE_PREFIXES = ("api", "ws", "webhooks", "agent-tools", "mcp")

# For SECURE_REDIRECT_EXEMPT, which Django matches against the path without its first slash.
MACHINE_PATHS_PATTERN = rf"^(?:{'|'.join(MACHINE_PREFIXES)})(?:/|$)"
HEALTH_PATHS_PATTERN = r"^(?:healthz|readyz)/?$"

_MACHINE_PATH = re.compile(rf"/+(?:{'|'.join(MACHINE_PREFIXES)})(?:/|\Z)")
_API_PATH = re.compile(r"/+api(?:/|\Z)")
_HEALTH_PATH = re.compile(r"/(?:healthz|readyz)/?\Z")


def is_machine_path(path: str) -> bool:
    return _MACHINE_PATH.match(path) is not None


def is_api_path(path: str) -> bool:
    return _API_PATH.match(path) is not None


def is_health_path(path: str) -> bool:
    return _HEALTH_PATH.match(path) is not None
