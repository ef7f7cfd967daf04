"""Agents that drain one queue over MCP, each by the SDK's own client: no task is taken twice, and none is left.

    .venv/bin/python bench/mcp_drain.py                        1,000 tasks, two agents, against a product of its own
    .venv/bin/python bench/mcp_drain.py --tasks 200 --agents 4

Prints what each agent took and the time; ends with status 1 when a task was taken twice, or not at all.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

sys.path.insert(0, str(Path(__file__).resolve().parent))

from client import Api
from own_product import running

AGENT: Final = "hands"
BATCH: Final = 500
# Nobody drains a queue at this rate by hand; the limits are not what is measured.
UNLIMITED: Final = {
    "PERSONALQ_RATE_MCP": "1000000/m",
    "PERSONALQ_RATE_TASK_CHANGE": "1000000/m",
    "PERSONALQ_ACCESS_TOKEN_SECONDS": "3600",
}


async def drain(api: Api, worker: str) -> list[str]:
    """The tasks that one agent took and completed, until nothing was left."""
    headers = {"Authorization": f"Bearer {api.token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(f"{api.url}/mcp", http_client=http)) as client,
    ):
        return await work(client, worker)


async def work(client: Client, worker: str) -> list[str]:
    done: list[str] = []
    while (taken := await ask(client, "next_task", worker=worker))["task"] is not None:
        task = taken["task"]["uuid"]
        await ask(client, "complete_task", task=task, attempt=taken["attempt"], result=worker)
        done.append(task)
    return done


async def ask(client: Client, tool: str, **arguments: Any) -> Any:
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        raise SystemExit(f"{tool} was refused: {result.structured_content}")
    return result.structured_content


async def drain_with(api: Api, agents: int) -> list[list[str]]:
    return list(await asyncio.gather(*(drain(api, f"worker {number}") for number in range(agents))))


def try_out(api: Api, tasks: int, agents: int) -> list[str]:
    """Drain a queue; prints the counts and returns what is wrong."""
    api.call("POST", "/agents", {"name": AGENT, "kind": "external", "concurrency_limit": 100})
    for begin in range(0, tasks, BATCH):
        wanted = [{"agent": AGENT, "prompt": f"dig {number}"} for number in range(begin, min(begin + BATCH, tasks))]
        api.call("POST", "/tasks/batch", {"tasks": wanted})
    started = time.monotonic()
    taken = asyncio.run(drain_with(api, agents))
    seconds = time.monotonic() - started
    counts = Counter(task for mine in taken for task in mine)
    attempts = Counter(task["attempts"] for task in api.every("/tasks?status=complete&page_size=100"))
    print(f"tasks {tasks}, agents {agents}: {', '.join(str(len(mine)) for mine in taken)} taken")
    print(f"{seconds:.1f} s, {tasks / seconds:.0f} tasks/s; attempts of each task: {dict(attempts)}")
    twice = [f"{task} was taken {count} times" for task, count in counts.items() if count > 1]
    left = [] if len(counts) == tasks == attempts[1] else [f"{len(counts)} of {tasks} were taken"]
    return [*twice, *left]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1_000)
    parser.add_argument("--agents", type=int, default=2)
    given = parser.parse_args()
    with running(**UNLIMITED) as product:
        wrong = try_out(Api(product.url, product.username, product.password), given.tasks, given.agents)
    print("\n".join(wrong) or "No task was taken twice, and none was left.")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
