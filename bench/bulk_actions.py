"""How long bulk actions take: 10,000 tasks moved, cancelled, retried and archived by a running product.

    .venv/bin/python bench/bulk_actions.py [NUMBER OF TASKS]

Starts a product of its own and stops it. Ends with status 1 when a count is wrong.
"""

import sys
import time
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

from client import Api
from own_product import running

TASKS: Final = 10_000
BATCH: Final = 500
PATIENCE_SECONDS: Final = 600


def make_tasks(api: Api, number: int) -> None:
    """Tasks that nobody carries out, because their queue is paused."""
    queue = api.call("POST", "/queues", {"name": "still"})
    api.call("POST", "/queues", {"name": "other"})
    api.call("POST", f"/queues/{queue['uuid']}/pause")
    api.call("POST", "/agents", {"name": "echo", "kind": "echo", "queue": "still"})
    for start in range(0, number, BATCH):
        size = min(BATCH, number - start)
        api.call("POST", "/tasks/batch", {"tasks": [{"agent": "echo", "prompt": "say this"}] * size})


def carry_out(api: Api, wanted: dict[str, Any]) -> dict[str, Any]:
    """Ask for a bulk action and wait for its end."""
    started = time.monotonic()
    action: dict[str, Any] = api.call("POST", "/bulk-actions", {"filter": {"all": True}, **wanted})
    while action["finished_at"] is None:
        if time.monotonic() - started > PATIENCE_SECONDS:
            raise SystemExit(f"Not done after {PATIENCE_SECONDS} s: {action}")
        time.sleep(0.1)
        action = api.call("GET", action["url"])
    seconds = time.monotonic() - started
    rate = action["changed"] / seconds
    print(f"{action['action']:8} {action['changed']:6} tasks in {seconds:5.1f} s, {rate:4.0f} a second")
    return action


def main() -> int:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else TASKS
    wanted = [{"action": "cancel"}, {"action": "retry"}, {"action": "cancel"}, {"action": "move", "queue": "other"}]
    with running(PERSONALQ_RATE_READ="1000000/m") as product:
        api = Api(product.url, product.username, product.password)
        make_tasks(api, number)
        done = [carry_out(api, each) for each in [*wanted, {"action": "archive"}]]
    wrong = [action for action in done if (action["status"], action["changed"]) != ("complete", number)]
    print("wrong:", wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
