"""The whole product becomes ready by itself, and tells when its worker hangs."""

import http.client
import os
import signal
from contextlib import closing

from tests.embedded.running import Home, Run, wait_for

AGE = "UPDATE heartbeats SET seen_at = seen_at - interval '31 seconds' WHERE role = 'worker'"


def readyz(run: Run) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", run.port, timeout=30)) as wire:
        wire.request("GET", "/readyz", headers={"Host": "10.0.0.7"})
        return wire.getresponse().status


def test_product_is_ready_until_its_worker_hangs(home: Home) -> None:
    run = Run(home)
    run.wait_for_greeting()
    wait_for(lambda: readyz(run) == 200, "worker and sweep to show that they are at work")
    worker = home.pids()["worker"]
    os.kill(worker, signal.SIGSTOP)
    try:
        home.sql(AGE)
        wait_for(lambda: readyz(run) == 503, "the web process to miss the worker")
    finally:
        os.kill(worker, signal.SIGCONT)
    wait_for(lambda: readyz(run) == 200, "the worker to be seen again")
    run.process.send_signal(signal.SIGTERM)
    assert run.wait_for_end() == 0
