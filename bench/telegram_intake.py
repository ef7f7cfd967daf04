"""How long Telegram waits for our 200 while Telegram itself hangs, beside a request of the same process for nothing.

    .venv/bin/python bench/telegram_intake.py
    .venv/bin/python bench/telegram_intake.py --updates 1000

Against a product of its own. Prints medians, 99th percentiles and their ratio; the door makes a task and rows for the
answer meanwhile, and calls nobody.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.product.telegram_chat import chatting
from tests.webhooks.telegram.making import message
from tests.wire.server import Exchange


async def hang(exchange: Exchange, *_: Any) -> bool:
    await exchange.gone()
    return True


def measure(directory: Path, updates: int) -> tuple[list[float], list[float]]:
    """Seconds of each update and of each request for nothing, taken in turns."""
    with chatting(directory) as chat:
        queue = chat.operator.call("POST", "/queues", {"name": "slow"})["uuid"]
        chat.operator.call("POST", f"/queues/{queue}/pause")
        chat.operator.make_agent("waiting", "echo", queue="slow")
        chat.links("waiting")
        chat.telegram.trouble = hang
        pairs = [(chat.posts(message(f"hello {number}")), chat.asks_nothing()) for number in range(updates)]
        chat.telegram.trouble = None
    taken, idle = zip(*pairs, strict=True)
    return sorted(taken), sorted(idle)


def told(seconds: Sequence[float]) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds."""
    return seconds[len(seconds) // 2] * 1000, seconds[len(seconds) * 99 // 100 - 1] * 1000


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--updates", type=int, default=300)
    updates = reader.parse_args().updates
    with tempfile.TemporaryDirectory(prefix="personalq-bench-") as directory:
        taken, idle = measure(Path(directory), updates)
    (median, late), (idle_median, idle_late) = told(taken), told(idle)
    print(f"{updates} updates while Telegram hangs: median {median:.0f} ms, 99 % within {late:.0f} ms")
    print(f"a request for nothing:              median {idle_median:.0f} ms, 99 % within {idle_late:.0f} ms")
    print(f"ratio of the medians: {median / idle_median:.1f}")


if __name__ == "__main__":
    main()
