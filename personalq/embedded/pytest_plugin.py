"""Gives the tests real servers of their own: `-p personalq.embedded.pytest_plugin`.

The first run on a machine keeps its servers' data in `var/test` and starts faster the
next time; a second run at the same time gets servers that vanish with it. With
DATABASE_URL and REDIS_URL in the environment the tests use those instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import Any

import pytest

from personalq.embedded.errors import EmbeddedError
from personalq.embedded.layout import REDIS_DATABASE_BASE
from personalq.embedded.throwaway import use_throwaway_settings
from personalq.embedded.throwaway_servers import ThrowawayServers

DATABASES_PER_WORKER = 4


servers: ThrowawayServers | None = None


# A wrapper comes before pytest-django, which reads the settings in the same hook.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, Any]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker:
        number = int(worker.removeprefix("gw"))
        os.environ[REDIS_DATABASE_BASE] = str(DATABASES_PER_WORKER * (number + 1))
    elif not _only_informs(early_config):
        _prepare_environment()
    return (yield)


def _only_informs(config: pytest.Config) -> bool:
    options = config.known_args_namespace
    return bool(options.help or options.version)


def _prepare_environment() -> None:
    global servers  # noqa: PLW0603 - one test run, one set of servers
    use_throwaway_settings(os.environ)
    if os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL"):
        return
    try:
        servers = ThrowawayServers()
        servers.start()
    except EmbeddedError as error:
        sys.exit(f"The test servers did not start. {error}")
    os.environ["PERSONALQ_VAR"] = str(servers.layout.root)


def pytest_unconfigure() -> None:
    global servers  # noqa: PLW0603
    if servers is not None:
        servers.stop()
        servers = None
