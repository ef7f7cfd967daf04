"""Kills every part of the running product: it has to serve and to work again by itself, and soon."""

import os
import signal
import time
from collections.abc import Iterator
from urllib.error import HTTPError, URLError

import psycopg
import pytest

from personalq.embedded.processes import is_alive
from tests.browser.product import Product
from tests.embedded.running import Home, Run, nothing_runs, wait_for

# From a kill to a finished task. Measured: 1 to 3 s on a quiet machine.
RECOVERY_SECONDS = 45.0
SETTINGS = {"PERSONALQ_LEASE_SECONDS": "5", "PERSONALQ_ACCESS_TOKEN_SECONDS": "3600"}


@pytest.fixture(scope="module")
def run(lived_in: Home) -> Iterator[Run]:
    run = Run(lived_in, environment=SETTINGS)
    run.wait_for_greeting()
    yield run
    run.process.terminate()
    assert run.wait_for_end() == 0
    assert nothing_runs(lived_in, {})


@pytest.fixture(scope="module")
def product(run: Run) -> Product:
    product = Product.of(run)
    product.make_agent("quick", kind="echo", word_delay_ms=1)
    product.make_agent("slow", kind="echo", word_delay_ms=500)
    # Connections of all processes to all servers are open now.
    product.wait_for_status(product.queue("quick", "warm up"), "complete")
    return product


def kill(home: Home, name: str, number: signal.Signals) -> None:
    """Kill a child and wait until another one has taken its place."""
    killed = home.pids()[name]
    os.kill(killed, number)
    wait_for(lambda: home.pids().get(name, killed) != killed, f"another {name}")


def queue(product: Product, prompt: str) -> str:
    """The id of a new task, asked for until it is accepted."""
    accepted: list[str] = []

    def is_accepted() -> bool:
        try:
            accepted.append(product.queue("quick", prompt))
        except (HTTPError, URLError, ConnectionError):
            return False
        return True

    wait_for(is_accepted, "the product to accept a task")
    return accepted[0]


@pytest.mark.parametrize("name", ["web", "worker", "beat", "valkey", "postgres"])
def test_killed_part_comes_back_and_work_goes_on(run: Run, product: Product, name: str) -> None:
    began = time.monotonic()
    kill(run.home, name, signal.SIGKILL)
    task = queue(product, f"after {name}")
    product.wait_for_status(task, "complete")
    assert time.monotonic() - began < RECOVERY_SECONDS
    assert f"{name} was killed by SIGKILL" in run.output
    wait_for(lambda: f"{name} is running again." in run.output, f"{name} to be called back")
    assert run.process.poll() is None


@pytest.mark.parametrize(("name", "number"), [("postgres", signal.SIGINT), ("valkey", signal.SIGTERM)])
def test_server_that_was_shut_down_comes_back_and_work_goes_on(
    run: Run, product: Product, name: str, number: signal.Signals
) -> None:
    began = time.monotonic()
    kill(run.home, name, number)
    product.wait_for_status(queue(product, f"after {name}"), "complete")
    assert time.monotonic() - began < RECOVERY_SECONDS
    assert f"{name} ended with 0" in run.output


def test_task_of_a_killed_worker_is_carried_out_by_the_next(run: Run, product: Product) -> None:
    began = time.monotonic()
    task = product.queue("slow", "one two three four five six")
    product.wait_for_status(task, "running")
    kill(run.home, "worker", signal.SIGKILL)
    product.wait_for_status(task, "complete")
    assert time.monotonic() - began < RECOVERY_SECONDS
    assert product.call("GET", f"/api/v1/tasks/{task}")["attempts"] == 2


def test_busy_backend_of_a_killed_postgres_does_not_block_the_next(run: Run, product: Product) -> None:
    layout = run.home.layout
    connection = psycopg.connect(host=str(layout.postgres_socket_dir), user="postgres", dbname="personalq")
    backend = connection.info.backend_pid
    # It computes and never waits, so it would notice the death of its server only at the end.
    connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1000000000000)")
    kill(run.home, "postgres", signal.SIGKILL)
    assert not is_alive(backend)
    connection.close()
    product.wait_for_status(queue(product, "after a busy backend"), "complete")


def test_part_that_cannot_start_any_more_stops_the_product_with_the_reason(home: Home) -> None:
    run = Run(home)
    run.wait_for_greeting()
    pids = home.pids()
    home.env_file.write_text(home.env_file.read_text().replace("JWT_SIGNING_KEY=", "JWT_SIGNING_KEY=short\n#"))
    os.kill(pids["worker"], signal.SIGKILL)
    assert run.wait_for_end() == 1
    assert "JWT_SIGNING_KEY is" in run.output
    assert "worker ended 5 times in a row before it was ready" in run.output
    assert nothing_runs(home, pids)
