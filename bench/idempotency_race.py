"""Two requests with one Idempotency-Key at the same moment, over HTTP, and a third one afterwards: one task each time.

    .venv/bin/python bench/idempotency_race.py              1,000 pairs against a product of its own
    .venv/bin/python bench/idempotency_race.py --pairs 100

Prints counts and ends with status 1 when a pair made no task, made two, or was not given the one answer.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

from client import Api
from own_product import running

AGENT: Final = "racer"


@dataclass(frozen=True)
class Answer:
    """What one request was answered."""

    kind: str
    body: bytes


def send(api: Api, number: int) -> Answer:
    """Ask for the task of a pair."""
    request = urllib.request.Request(
        f"{api.url}/api/v1/tasks",
        data=json.dumps({"agent": AGENT, "prompt": "race", "title": str(number)}).encode(),
        headers={
            "Authorization": f"Bearer {api.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"pair-{number}",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            is_replayed = response.headers.get("Idempotency-Replayed") == "true"
            return Answer("replayed" if is_replayed else "made", response.read())
    except urllib.error.HTTPError as error:
        body = error.read()
        return Answer(str(json.loads(body)["code"]), body)


def race(api: Api, pool: ThreadPoolExecutor, number: int) -> list[Answer]:
    """The answers of a pair, and last the one of a request that came afterwards."""
    barrier = Barrier(2)

    def run(_: int) -> Answer:
        barrier.wait(30)
        return send(api, number)

    return [*pool.map(run, range(2)), send(api, number)]


def is_sound(answers: list[Answer]) -> bool:
    """Whether one request made the task and the others got its answer or were told to wait."""
    kinds = Counter(answer.kind for answer in answers)
    bodies = {answer.body for answer in answers if answer.kind in {"made", "replayed"}}
    return (
        kinds["made"] == 1
        and set(kinds) <= {"made", "replayed", "idempotency_key_in_flight"}
        and answers[-1].kind == "replayed"
        and len(bodies) == 1
    )


def try_out(api: Api, pairs: int) -> list[str]:
    """Race them all; prints the counts and returns what is wrong."""
    api.call("POST", "/agents", {"name": AGENT, "kind": "echo"})
    started = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        raced = [race(api, pool, number) for number in range(pairs)]
    seconds = time.monotonic() - started
    kinds = Counter(answer.kind for answers in raced for answer in answers[:2])
    wrong = [f"pair {number}: {answers}" for number, answers in enumerate(raced) if not is_sound(answers)]
    made = Counter(task["title"] for task in api.every("/tasks?page_size=100"))
    wrong += [f"pair {number}: {made[str(number)]} tasks" for number in range(pairs) if made[str(number)] != 1]
    print(f"{pairs} pairs in {seconds:.1f} s: {dict(kinds)}; tasks: {made.total()}; wrong: {len(wrong)}")
    return wrong


def main() -> None:
    arguments = argparse.ArgumentParser(description="Race pairs of requests with one Idempotency-Key.")
    arguments.add_argument("--pairs", type=int, default=1000)
    given = arguments.parse_args()
    with running(PERSONALQ_RATE_TASK_CREATE="1000000/m") as product:
        wrong = try_out(Api(product.url, product.username, product.password), given.pairs)
    print("\n".join(wrong) or "Each pair made exactly one task.")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
