"""Two agents work through one queue, and none of the tasks is taken twice."""

import asyncio

import pytest
from mcp import Client

from accounts.models import User
from tasks import events
from tasks.models import Agent as TaskAgent
from tasks.models import Task, TaskEvent
from tasks.states import Status
from tests.mcp.talking import Agent, token_of

pytestmark = pytest.mark.django_db(transaction=True)

TASKS = 100


def drain(agent: Agent, worker: str, both: asyncio.Barrier) -> "asyncio.Task[list[str]]":
    async def work(client: Client) -> list[str]:
        # Nobody empties the queue before the other one is connected.
        await both.wait()
        done: list[str] = []
        while True:
            taken = (await client.call_tool("next_task", {"worker": worker})).structured_content
            if taken["task"] is None:
                return done
            said = {"task": taken["task"]["uuid"], "attempt": taken["attempt"], "result": worker}
            assert not (await client.call_tool("complete_task", said)).is_error
            done.append(taken["task"]["uuid"])

    return asyncio.create_task(agent.do(work))


async def drain_with_two(agents: list[Agent]) -> list[list[str]]:
    both = asyncio.Barrier(len(agents))
    workers = [drain(agent, f"worker {number}", both) for number, agent in enumerate(agents)]
    return list(await asyncio.gather(*workers))


def test_two_agents_take_no_task_twice(url: str, alice: User, hands: TaskAgent) -> None:
    TaskAgent.objects.update(concurrency_limit=10)
    agents = [Agent(url, token_of(alice), mode) for mode in ("auto", "legacy")]
    agents[0].ask("add_tasks", tasks=[{"agent": "hands", "prompt": f"dig {number}"} for number in range(TASKS)])
    first, second = asyncio.run(drain_with_two(agents))
    assert len(first) + len(second) == len({*first, *second}) == TASKS
    assert min(len(first), len(second)) > 0
    assert Task.objects.filter(status=Status.COMPLETE, attempts=1).count() == TASKS
    assert TaskEvent.objects.filter(kind=events.STARTED).count() == TASKS
