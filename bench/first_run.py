"""The first evening with the product, as one script: real texts, real programs, live events, five cancels.

    .venv/bin/python bench/first_run.py                      starts a product of its own and stops it
    .venv/bin/python bench/first_run.py --texts DIRECTORY    other texts than the repository's documents
    .venv/bin/python bench/first_run.py --url URL            against a running one, whose PERSONALQ_COMMANDS holds
                                                             "statistics"; the password is in PERSONALQ_PASSWORD

Prints counts and ends with status 1 when a task did not end, an event was missed, doubled or out of order, or a
process was left over.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

from client import Api, Watcher
from own_product import ROOT, Product, running
from text_statistics import statistics

COMMAND_TASKS: Final = 200
ECHO_TASKS: Final = 20
CANCELS: Final = 5
PATIENCE_SECONDS: Final = 300
ENDS: Final = frozenset({"task_completed", "task_failed", "task_cancelled"})


def read_texts(directory: Path) -> Iterator[str]:
    """Texts of one page or less: the `context` of JSON lines, paragraphs of everything else."""
    for path in sorted(directory.rglob("*")):
        if path.suffix == ".jsonl":
            for line in path.read_text(encoding="utf-8").splitlines():
                context = json.loads(line).get("context", "")
                yield "\n".join(context) if isinstance(context, list) else str(context)
        elif path.suffix in {".md", ".txt"}:
            yield from path.read_text(encoding="utf-8").split("\n\n")


def first_texts(directory: Path) -> list[str]:
    """As many texts as there are tasks; the longest come last, to be said aloud."""
    found = [text for text in read_texts(directory) if text.strip() and len(text) < 20_000]
    if not found:
        raise SystemExit(f"{directory} holds no texts.")
    wanted = COMMAND_TASKS + ECHO_TASKS
    return sorted((found[index % len(found)] for index in range(wanted)), key=len)


def make_agents(api: Api) -> tuple[str, str]:
    """The agent that counts and the one that echoes, under names of this run."""
    stamp = int(time.time())
    counting = {"name": f"statistics {stamp}", "kind": "command", "command": "statistics"}
    echoing = {"name": f"echo {stamp}", "kind": "echo"}
    return api.call("POST", "/agents", counting)["uuid"], api.call("POST", "/agents", echoing)["uuid"]


def queue_tasks(api: Api, agent: str, texts: list[str]) -> dict[str, str]:
    """Queue one task for each text; returns the texts by the tasks' ids."""
    return {api.call("POST", "/tasks", {"agent": agent, "prompt": text})["uuid"]: text for text in texts}


def cancel_some(api: Api, watcher: Watcher, echoes: Iterable[str]) -> set[str]:
    """Cancel the first tasks that are heard talking."""
    cancelled: set[str] = set()

    def talking() -> list[str]:
        heard = tasks_of(watcher.events, {"task_output"})
        return sorted((heard & set(echoes)) - tasks_of(watcher.events, ENDS) - cancelled)

    while len(cancelled) < CANCELS:
        wait_until(watcher, lambda: bool(talking()))
        task = talking()[0]
        api.call("POST", f"/tasks/{task}/cancel", {"reason": "first run"})
        cancelled.add(task)
    return cancelled


def tasks_of(events: Iterable[dict[str, Any]], kinds: Collection[str]) -> set[str]:
    return {event["task"] for event in events if event["event"] in kinds}


def wait_until(watcher: Watcher, is_so: Callable[[], bool]) -> None:
    with watcher.changed:
        if not watcher.changed.wait_for(is_so, PATIENCE_SECONDS):
            counts = Counter(event["event"] for event in watcher.events)
            raise SystemExit(f"It took too long; events so far: {dict(counts)}")


def check_events(api: Api, watcher: Watcher, tasks: Iterable[str]) -> list[str]:
    """What is wrong with the events that the socket brought, compared with the history."""
    wrong = []
    numbers = [event["id"] for event in watcher.events]
    if numbers != sorted(set(numbers)):
        wrong.append("the socket repeated events or brought them out of order")
    seen = defaultdict(list)
    for event in watcher.events:
        seen[event["task"]].append(event)
    for task in tasks:
        if seen[task] != api.every(f"/tasks/{task}/events?page_size=100"):
            wrong.append(f"task {task}: the socket and the history differ")
        if sum(event["event"] in ENDS for event in seen[task]) != 1:
            wrong.append(f"task {task} did not end exactly once")
    return wrong


def check_results(api: Api, counted: dict[str, str], echoed: dict[str, str], cancelled: set[str]) -> list[str]:
    """What is wrong with how the tasks ended and what they brought."""
    wrong = []
    for task, text in {**counted, **echoed}.items():
        ended = api.call("GET", f"/tasks/{task}")
        expected = "cancelled" if task in cancelled else "complete"
        if ended["status"] != expected:
            wrong.append(f"task {task} is {ended['status']} ({ended['error_code']}), expected {expected}")
        elif task in counted and json.loads(ended["result"]) != json.loads(json.dumps(statistics(text))):
            wrong.append(f"task {task} has a wrong result")
        elif task in echoed and task not in cancelled and ended["result"] != text:
            wrong.append(f"task {task} was not echoed faithfully")
    return wrong


def left_over_processes() -> list[str]:
    """Programs of attempts that still run on this machine (Linux)."""
    left = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if b"PERSONALQ_TASK=" in environment.read_bytes():
                left.append(environment.parent.name)
        except OSError:
            continue
    return left


def try_out(product: Product, texts: list[str]) -> list[str]:
    """Do it all; prints the counts and returns what is wrong."""
    started = time.monotonic()
    api = Api(product.url, product.username, product.password)
    counting, echoing = make_agents(api)
    with Watcher(api) as watcher:
        echoed = queue_tasks(api, echoing, texts[COMMAND_TASKS:])
        counted = queue_tasks(api, counting, texts[:COMMAND_TASKS])
        queued = time.monotonic()
        cancelled = cancel_some(api, watcher, echoed)
        everything = set(counted) | set(echoed)
        wait_until(watcher, lambda: tasks_of(watcher.events, ENDS) >= everything)
        ended = time.monotonic()
        wrong = check_results(api, counted, echoed, cancelled) + check_events(api, watcher, everything)
    left = left_over_processes()
    counts = Counter(event["event"] for event in watcher.events)
    print(f"queued {len(everything)} tasks in {queued - started:.1f} s, all ended after {ended - started:.1f} s")
    print(f"ends: { ({kind: counts[kind] for kind in sorted(ENDS)}) }; events on the socket: {len(watcher.events)}")
    print(f"cancelled while talking: {len(cancelled)}; processes left over: {len(left)}; wrong: {len(wrong)}")
    return wrong + [f"process {process} was left over" for process in left]


def main() -> None:
    arguments = argparse.ArgumentParser(description="Queue real texts, watch them live, cancel five.")
    arguments.add_argument("--url", help="a running product, such as http://127.0.0.1:8000")
    arguments.add_argument("--username", default="admin")
    arguments.add_argument("--texts", type=Path, default=ROOT / "docs", help="a directory of .md, .txt or .jsonl files")
    given = arguments.parse_args()
    texts = first_texts(given.texts)
    if given.url:
        product = Product(given.url, given.username, os.environ["PERSONALQ_PASSWORD"])
        wrong = try_out(product, texts)
    else:
        program = [sys.executable, "-I", "-S", str(ROOT / "bench" / "text_statistics.py")]
        with running(PERSONALQ_COMMANDS=json.dumps({"statistics": program})) as product:
            wrong = try_out(product, texts)
    print("\n".join(wrong) or "Everything ended as it should.")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
