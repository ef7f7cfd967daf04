"""A burst of events to an endpoint that never answers, and how long another user's deliveries take meanwhile.

    .venv/bin/python bench/dead_endpoint.py                      10,000 events, 100 deliveries
    .venv/bin/python bench/dead_endpoint.py --events 2000

Three runs on a product of its own: one user's 100 deliveries alone; the same while another user brings in a burst of
tasks that nobody is told of; the same while each task of the burst is an event for an endpoint that takes connections
and never answers. A delay counts from the event's own time to its arrival. Only the ratios of one run mean something.
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

sys.path.extend(str(directory) for directory in Path(__file__).resolve().parents[:2])

from client import Api
from own_product import ROOT, Product, running

from tests.wire.server import Exchange, WireServer, answering
from tests.wire.webhook_receiver import WebhookReceiver, hang

BATCH: Final = 500
PAUSE_SECONDS: Final = 0.1
PATIENCE_SECONDS: Final = 180.0
PASSWORD: Final = "a passphrase of the second user"
UNLIMITED: Final = {
    "PERSONALQ_RATE_TASK_CREATE": "1000000/m",
    "PERSONALQ_RATE_TASK_BATCH": "1000000/m",
    "PERSONALQ_ACCESS_TOKEN_SECONDS": "3600",
}


@dataclass(frozen=True)
class Delays:
    """How long the deliveries of one run took, in milliseconds."""

    name: str
    sorted_ms: list[float]

    def at(self, part: float) -> float:
        return self.sorted_ms[max(0, math.ceil(part * len(self.sorted_ms)) - 1)]

    def __str__(self) -> str:
        figures = f"p50 {self.at(0.5):7.1f}  p99 {self.at(0.99):7.1f}  max {self.sorted_ms[-1]:7.1f} ms"
        return f"{self.name:44} {figures}  mean {statistics.fmean(self.sorted_ms):7.1f} ms"


class Living:
    """The receiver of the user who must not notice anything."""

    def __init__(self, receiver: WebhookReceiver) -> None:
        self.receiver = receiver
        self.arrived: dict[str, float] = {}
        receiver.script(self._note)

    async def _note(self, exchange: Exchange) -> None:
        self.arrived[exchange.request.headers["webhook-id"]] = time.time()
        await answering(200)(exchange)

    def measure(self, name: str, api: Api, number: int) -> Delays:
        """Bring tasks in one after the other and wait until word of each has arrived."""
        known = len(self.receiver.messages)
        for count in range(number):
            api.call("POST", "/tasks", {"agent": "hands", "prompt": f"living {count}"})
            time.sleep(PAUSE_SECONDS)
        if not self.receiver.wait_for(lambda: len(self.arrived) >= known + number, seconds=PATIENCE_SECONDS):
            raise SystemExit(f"{name}: only {len(self.arrived) - known} of {number} arrived")
        told = self.receiver.messages[known:]
        return Delays(name, sorted((self.arrived[each.id] - at_of(each.body)) * 1000 for each in told))


def at_of(body: bytes) -> float:
    """The event's own time."""
    text = body.decode().split('"timestamp"')[1].split('"')[1]
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


@contextmanager
def burst(api: Api, events: int) -> Iterator[list[float]]:
    """Bring tasks in as fast as the product takes them, in the background; yields the seconds that it took."""
    took: list[float] = []
    thread = threading.Thread(target=lambda: took.append(bring_in(api, events)))
    thread.start()
    try:
        yield took
    finally:
        thread.join()


def bring_in(api: Api, events: int) -> float:
    begun = time.monotonic()
    for begin in range(0, events, BATCH):
        wanted = [{"agent": "crowd", "prompt": "p"} for _ in range(min(BATCH, events - begin))]
        api.call("POST", "/tasks/batch", {"tasks": wanted})
    return time.monotonic() - begun


def second_user(product: Product) -> Api:
    directory = product.var.parent
    surroundings = {
        **os.environ,
        "PERSONALQ_VAR": f"{product.var}",
        "PERSONALQ_ENV_FILE": f"{directory}/env",
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    }
    command = (
        sys.executable,
        "manage.py",
        "createsuperuser",
        "--noinput",
        "--username",
        "bob",
        "--email",
        "b@b.example",
    )
    subprocess.run(command, cwd=ROOT, env=surroundings, check=True, stdout=subprocess.DEVNULL)
    return Api(product.url, "bob", PASSWORD)


def prepare(api: Api, agent: str, name: str, url: str) -> Any:
    api.call("POST", "/agents", {"name": agent, "kind": "external"})
    return api.call("POST", "/webhook-endpoints", {"name": name, "target_url": url, "kinds": ["task_created"]})


def try_out(product: Product, receiver: WebhookReceiver, dead: WireServer, events: int, number: int) -> list[Delays]:
    crowd, bob = Api(product.url, product.username, product.password), second_user(product)
    silent = prepare(crowd, "crowd", "dead", f"{dead.url}/")
    receiver.secret = prepare(bob, "hands", "living", receiver.url)["secret"]
    living = Living(receiver)
    living.measure("warm-up", bob, 10)
    address = f"/webhook-endpoints/{silent['uuid']}"
    crowd.call("POST", f"{address}/off")
    found = [living.measure("alone", bob, number)]
    with burst(crowd, events) as took:
        found.append(living.measure(f"beside {events:,} events nobody is told of", bob, number))
    print(f"the burst took {took[0]:.1f} s")
    crowd.call("POST", f"{address}/on")
    with burst(crowd, events) as took:
        found.append(living.measure(f"beside {events:,} events to a dead endpoint", bob, number))
    print(f"the burst with deliveries took {took[0]:.1f} s")
    waiting = crowd.call("GET", f"{address}/deliveries?state=pending&page_size=1")["results"]
    print(f"calls of the dead endpoint: {dead.connections}; its deliveries wait: {bool(waiting)}")
    found.append(living.measure("while its deliveries wait", bob, number))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--deliveries", type=int, default=100)
    arguments = parser.parse_args()
    with WebhookReceiver() as receiver, WireServer(hang) as dead:
        hosts = f"{receiver.target},{dead.target}"
        with running(PERSONALQ_INTERNAL_HOSTS=hosts, **UNLIMITED) as product:
            found = try_out(product, receiver, dead, arguments.events, arguments.deliveries)
    for delays in found:
        print(delays)
    _, beside, with_dead, _ = found
    for part, name in ((0.5, "p50"), (0.99, "p99"), (1.0, "max")):
        print(f"{name}: with the dead endpoint {with_dead.at(part) / beside.at(part):.2f} times the same burst without")
    return 0


if __name__ == "__main__":
    sys.exit(main())
