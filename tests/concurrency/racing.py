"""Letting things happen at the same moment, each on its own database connection."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from django.db import connections

# Enough to notice a missing lock; `RACE_ROUNDS=1000 make test ARGS=tests/concurrency` is the long run.
ROUNDS: Final = int(os.environ.get("RACE_ROUNDS", "50"))


def race(*contenders: Callable[[], Any]) -> list[Any]:
    """Start all at once and return, in their order, what each returned or raised."""
    barrier = threading.Barrier(len(contenders))

    def run(contender: Callable[[], Any]) -> Any:
        try:
            barrier.wait(timeout=30)
            return contender()
        except Exception as error:  # noqa: BLE001 - what a contender meets is the result
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(contenders)) as pool:
        return list(pool.map(run, contenders))


def failures(results: list[Any]) -> list[Exception]:
    return [result for result in results if isinstance(result, Exception)]
