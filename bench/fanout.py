"""How fast one event reaches many sockets: our hub, a bare Channels group and a plain asyncio server in one run.

    .venv/bin/python bench/fanout.py                     200 and 1,000 sockets
    .venv/bin/python bench/fanout.py --sockets 200 2000

The product is started for it and stopped afterwards. The group runs on the same server program and the same channel
layer. Our events are written to the database, as always, and found there by the web process; the others get theirs
straight from this script. Machines differ and are busy with other things: only the ratios of one run mean something.
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

sys.path.extend(str(directory) for directory in Path(__file__).resolve().parents[:2])

import django
from client import Api
from fanout_crowd import Crowd
from own_product import ROOT, Product, free_port, running
from websockets.sync.client import connect

from personalq.embedded.layout import Layout
from personalq.embedded.product import Address, web

BURSTS: Final = 3
DELIVERIES_OF_A_BURST: Final = 60_000
FEWEST_EVENTS_OF_A_BURST, MOST_EVENTS_OF_A_BURST = 100, 500
STEADY_EVENTS: Final = 40
STEADY_DELIVERIES_PER_SECOND: Final = 2_000
PADDING: Final = "x" * 330  # frames of about 500 bytes
PATIENCE_SECONDS: Final = 5.0


class Contender(Protocol):
    """A server with sockets, and a way to send something to all of them."""

    name: str
    port: int
    pid: int

    @property
    def greeting(self) -> list[dict[str, Any]]: ...

    def publish(self, count: int) -> None: ...


@dataclass
class Result:
    """What one contender did with one number of sockets."""

    per_second: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    lost: int
    sent: int


def payload() -> dict[str, Any]:
    return {"sent": time.time_ns(), "pad": PADDING}


class Hub:
    """The product. Its events take the whole way through PostgreSQL."""

    name = "hub"

    def __init__(self, product: Product, pid: int) -> None:
        from accounts.models import User  # noqa: PLC0415 - Django is set up by then
        from realtime import announcer  # noqa: PLC0415
        from tasks import lifecycle  # noqa: PLC0415
        from tasks.models import Agent, Queue, TaskEvent  # noqa: PLC0415

        self.port, self.pid = int(product.url.rsplit(":", 1)[1]), pid
        owner = User.objects.get(username=product.username)
        agent = Agent.objects.create(owner=owner, name="bench", kind="echo", queue=Queue.objects.shared_default())
        self._task = lifecycle.submit(actor=owner, agent=agent, prompt="hello", is_backlogged=True)
        self._event, self._announce = TaskEvent, announcer.announce
        token = Api(product.url, product.username, product.password).token
        self.greeting = [{"action": "auth", "token": token}, {"action": "subscribe", "to": "all"}]

    def publish(self, count: int) -> None:
        self._event.objects.bulk_create(
            self._event(task=self._task, owner_id=self._task.owner_id, attempt=0, kind="task_output", data=payload())
            for _ in range(count)
        )
        self._announce()


class Group:
    """A bare Channels group on the same server and layer, with every socket in it."""

    name = "Channels group"
    greeting: ClassVar = [{"action": "subscribe"}]

    def __init__(self, port: int, pid: int) -> None:
        from channels.layers import get_channel_layer  # noqa: PLC0415 - Django is set up by then

        self.port, self.pid = port, pid
        self._layer = get_channel_layer()
        self._runner = asyncio.Runner()

    def publish(self, count: int) -> None:
        self._runner.run(self._send(count))

    async def _send(self, count: int) -> None:
        for _ in range(count):
            await self._layer.group_send("bench", {"type": "bench.event", "text": json.dumps(payload())})


class Plain:
    """A plain asyncio server of the websockets library, without Django, Redis or a database."""

    name = "plain asyncio"
    greeting: ClassVar = [{"action": "subscribe"}]

    def __init__(self, port: int, pid: int, send: Callable[[str], None]) -> None:
        self.port, self.pid, self._send = port, pid, send

    def publish(self, count: int) -> None:
        for _ in range(count):
            self._send(json.dumps(payload()))


def measure(contender: Contender, sockets: int) -> Result:
    crowd = Crowd(contender.port, sockets, contender.greeting)
    try:
        contender.publish(1)
        crowd.expect(sockets, patience_seconds=PATIENCE_SECONDS)
        bursts = [measure_burst(contender, crowd, sockets) for _ in range(BURSTS)]
        delays, lost = measure_steady(contender, crowd, sockets)
    finally:
        crowd.close()
    percentiles = statistics.quantiles(delays, n=100)
    return Result(
        per_second=statistics.median(one.per_second for one in bursts),
        cpu_us=statistics.median(one.cpu_us for one in bursts),
        p50_ms=percentiles[49],
        p99_ms=percentiles[98],
        lost=lost + sum(one.lost for one in bursts),
        sent=sockets * (BURSTS * events_of_burst(sockets) + STEADY_EVENTS),
    )


def events_of_burst(sockets: int) -> int:
    return min(MOST_EVENTS_OF_A_BURST, max(FEWEST_EVENTS_OF_A_BURST, DELIVERIES_OF_A_BURST // sockets))


@dataclass
class Burst:
    """All events at once."""

    per_second: float
    cpu_us: float
    lost: int


def measure_burst(contender: Contender, crowd: Crowd, sockets: int) -> Burst:
    wanted = sockets * events_of_burst(sockets)
    cpu_before, began = cpu_seconds(contender.pid), time.time()
    contender.publish(events_of_burst(sockets))
    tally = crowd.expect(wanted, patience_seconds=PATIENCE_SECONDS)
    cpu = cpu_seconds(contender.pid) - cpu_before
    return Burst(
        per_second=tally.frames / (tally.last_at - began),
        cpu_us=cpu / max(1, tally.frames) * 1e6,
        lost=wanted - tally.frames,
    )


def measure_steady(contender: Contender, crowd: Crowd, sockets: int) -> tuple[list[float], int]:
    """Delays of events that come one by one, at a pace that all contenders can keep."""
    for _ in range(STEADY_EVENTS):
        contender.publish(1)
        time.sleep(max(0.05, sockets / STEADY_DELIVERIES_PER_SECOND))
    tally = crowd.expect(sockets * STEADY_EVENTS, patience_seconds=PATIENCE_SECONDS)
    return tally.delays_ms, sockets * STEADY_EVENTS - tally.frames


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def started(command: list[str], port: int) -> Iterator[int]:
    """A server of the comparison; gives its process id as soon as it listens."""
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": "bench"}, stderr=subprocess.DEVNULL)
    try:
        while not listens(port):
            if process.poll() is not None:
                raise SystemExit(f"{command[-1]} did not start")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def contenders() -> Iterator[list[Contender]]:
    """The product and its two peers, each listening."""
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="personalq-fanout-"))
        environment = {
            "PERSONALQ_VAR": f"{directory}/var",
            "PERSONALQ_ENV_FILE": f"{directory}/env",
            "PERSONALQ_SOCKETS_PER_USER": "100000",
            "PERSONALQ_SOCKETS_UNAUTHENTICATED": "100000",
        }
        product = stack.enter_context(running(**environment))
        os.environ |= environment | {"DJANGO_SETTINGS_MODULE": "personalq.settings"}
        django.setup()
        yield [
            Hub(product, pid_of_web(Layout(Path(directory) / "var"))),
            start_group(stack),
            start_plain(stack),
        ]


def pid_of_web(layout: Layout) -> int:
    children = json.loads(layout.children_file.read_text(encoding="utf-8"))
    return int(next(child["pid"] for child in children if child["name"] == "web"))


def start_group(stack: ExitStack) -> Group:
    port = free_port()
    command = [*web(Address("127.0.0.1", port), {}).command, "fanout_peers:group_application"]
    return Group(port, stack.enter_context(started(command, port)))


def start_plain(stack: ExitStack) -> Plain:
    port = free_port()
    pid = stack.enter_context(started([sys.executable, "bench/fanout_peers.py", str(port)], port))
    publisher = stack.enter_context(connect(f"ws://127.0.0.1:{port}/", compression=None, ping_interval=None))
    return Plain(port, pid, publisher.send)


def show(sockets: int, results: dict[str, Result]) -> None:
    print(f"\n{sockets} sockets   deliveries/s   CPU µs each   p50 ms   p99 ms   lost")
    for name, one in results.items():
        print(
            f"{name:14} {one.per_second:12,.0f} {one.cpu_us:13.1f} {one.p50_ms:8.1f} {one.p99_ms:8.1f}"
            f"   {one.lost:,} of {one.sent:,}"
        )
    hub, group, plain = (results[name] for name in (Hub.name, Group.name, Plain.name))
    print(
        f"hub: {hub.per_second / group.per_second:.1f} times the group, "
        f"{hub.per_second / plain.per_second:.2f} times plain; "
        f"CPU {group.cpu_us / hub.cpu_us:.1f} times less than the group; "
        f"p99 {hub.p99_ms / group.p99_ms:.2f} times the group's"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sockets", type=int, nargs="+", default=[200, 1_000])
    wanted = parser.parse_args()
    with contenders() as all_of_them:
        for sockets in wanted.sockets:
            show(sockets, {one.name: measure(one, sockets) for one in all_of_them})


if __name__ == "__main__":
    main()
