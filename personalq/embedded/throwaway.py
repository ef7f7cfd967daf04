"""An environment for tests and tools: random secrets, and nothing from anybody's `.env`."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path

from personalq.embedded.env_file import GENERATED_SECRETS, make_secret

NO_SETTINGS = Path(__file__).with_name("nothing.env")


# Where and with which browser to work is no setting of the product.
KEPT = frozenset({"PERSONALQ_VAR", "PERSONALQ_CHROMIUM"})
PLAIN_SETTINGS = frozenset({"DEBUG", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "LOG_LEVEL"})


def use_throwaway_settings(environment: MutableMapping[str, str]) -> None:
    """Leave `environment` without settings but for secrets that live as long as this process and its children."""
    for name in [name for name in environment if is_setting(name)]:
        del environment[name]
    environment["PERSONALQ_ENV_FILE"] = str(NO_SETTINGS)
    for name in GENERATED_SECRETS:
        environment.pop(f"{name}_FILE", None)
        environment[name] = make_secret()


def is_setting(name: str) -> bool:
    """Whether a variable of somebody's shell would change what the tests see."""
    return name in PLAIN_SETTINGS or (name.startswith("PERSONALQ_") and name not in KEPT)
