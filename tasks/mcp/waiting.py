"""The tool `wait_for_task`: finds the task, waits, and says how it stands."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from accounts import scopes
from tasks import access, feed
from tasks.database_threads import DatabaseThreads
from tasks.mcp.callers import Caller
from tasks.mcp.catalogue import Arguments
from tasks.mcp.outputs import end_of_output
from tasks.mcp.rest import Rest
from tasks.mcp.waits import DEFAULT_WAIT_SECONDS, wait_until_over

OUTPUT_CHARACTERS: Final = 30_000
Progress = Callable[[float, float, str], Awaitable[None]]
_ADVICE: Final = {
    "finished": "It has ended; task has its result or error.",
    "approval": "Somebody has to approve it: see list_approvals and answer_approval.",
    "waiting": "It has not ended. Call wait_for_task again with after set to last_event_id.",
}


async def wait_for_task(
    caller: Caller, arguments: Arguments, *, threads: DatabaseThreads, progress: Progress
) -> dict[str, Any]:
    """What the tool answers. Raises as `access.task_for` and `waits.wait_until_over`."""
    seconds = float(arguments.get("timeout_seconds", DEFAULT_WAIT_SECONDS))
    uuid = UUID(arguments["task"])
    task_id = await threads.run(_find, caller=caller, uuid=uuid)
    began = time.monotonic()

    async def report(words: str) -> None:
        await progress(min(time.monotonic() - began, seconds), seconds, words)

    await wait_until_over(task_id=task_id, standing=caller.identity.standing, seconds=seconds, report=report)
    return await threads.run(_describe, caller=caller, uuid=uuid, after=arguments.get("after", 0))


def _find(*, caller: Caller, uuid: UUID) -> int:
    scopes.require(caller.identity, "tasks:read")
    return access.task_for(caller.user, uuid).pk


def _describe(*, caller: Caller, uuid: UUID, after: int) -> dict[str, Any]:
    # The history before the task: what is told of both must not end later than the task's state.
    task_id = access.task_for(caller.user, uuid).pk
    horizon = feed.horizon()
    text, is_cut = end_of_output(task_id, longest=OUTPUT_CHARACTERS, after=after, up_to=horizon)
    task = Rest(caller).get(f"/tasks/{uuid}")
    is_finished = task["status"] in {"complete", "failed", "cancelled", "archived"}
    needs_approval = task["approval"] is not None
    advice = _ADVICE["finished" if is_finished else "approval" if needs_approval else "waiting"]
    return {
        "task": task,
        "is_finished": is_finished,
        "needs_approval": needs_approval,
        "output": text,
        "is_output_cut": is_cut,
        "last_event_id": max(horizon, after),
        "advice": advice,
    }
