"""An environment for tests and tools: random secrets, and nothing from anybody's `.env`."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path

from personalq.embedded.env_file import GENERATED_SECRETS, make_secret

NO_SETTINGS = Path(__file__).with_name("nothing.env")


def use_throwaway_settings(environment: MutableMapping[str, str]) -> None:
    """Give `environment` secrets that live as long as this process and its children."""
    environment["PERSONALQ_ENV_FILE"] = str(NO_SETTINGS)
    for name in GENERATED_SECRETS:
        environment.pop(f"{name}_FILE", None)
        environment[name] = make_secret()
