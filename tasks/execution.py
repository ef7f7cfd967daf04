"""Carries one claimed task out: runner, time limit, output, and how it ended."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing, suppress
from typing import Final, TypeVar

from tasks import lifecycle
from tasks.claims import Claim, ClaimLost, Usage
from tasks.database_threads import DatabaseThreads
from tasks.models import Agent, Task
from tasks.output import Output
from tasks.runners import Outcome, Request, RunFailed, checked_config, runner_for

logger: Final = logging.getLogger(__name__)
T = TypeVar("T")


async def carry_out(task: Task, database: DatabaseThreads) -> None:
    """Run the attempt to its end and write that end, unless the claim was lost meanwhile.

    Cancelling this coroutine stops the runner and writes nothing more: whoever cancels says what became of the task.
    """
    claim = Claim.of(task)
    with suppress(ClaimLost):
        try:
            await _run_and_complete(task, claim, database)
        except RunFailed as failure:
            await _fail(database, claim, failure)
        except ClaimLost:
            raise
        except Exception:
            # The boundary of the process: whatever a runner does wrong ends its own task and nothing else.
            logger.exception("Attempt %s of task %s broke.", claim.attempt, task.uuid)
            await _fail(database, claim, RunFailed("internal_error", traceback.format_exc()))


async def _run_and_complete(task: Task, claim: Claim, database: DatabaseThreads) -> None:
    agent = task.agent
    if agent is None or agent.deleted_at is not None:
        raise RunFailed("agent_deleted")
    output = Output(claim=claim, database=database, limit_bytes=agent.output_limit_bytes)
    outcome = await _run_flushing(task, agent, output)
    usage = Usage(tokens_in=outcome.tokens_in, tokens_out=outcome.tokens_out, cost=outcome.cost)
    await database.persist(lifecycle.complete, claim=claim, result=output.text, usage=usage, **outcome.facts)


async def _run_flushing(task: Task, agent: Agent, output: Output) -> Outcome:
    flusher = asyncio.create_task(output.keep_flushing())
    try:
        return await _within_time(_run(task, agent, output), agent.timeout_seconds)
    finally:
        # Cut off in the middle of a write it could not know what was written, so that is for cancelled attempts only.
        if _is_being_cancelled():
            flusher.cancel()
        output.stop_flushing()
        await asyncio.gather(flusher, return_exceptions=True)
        if not _is_being_cancelled():
            await output.flush()


async def _within_time(work: Awaitable[Outcome], seconds: float) -> Outcome:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if limit.expired():
            raise RunFailed("timed_out") from None
        raise


async def _run(task: Task, agent: Agent, output: Output) -> Outcome:
    runner = runner_for(agent.kind)
    request = Request(
        task=task.uuid,
        attempt=task.attempts,
        prompt=task.prompt,
        input=task.input,
        config=checked_config(runner, agent.config),
        output_limit_bytes=agent.output_limit_bytes,
    )
    outcome = Outcome()
    async with aclosing(runner.run(request)) as pieces:  # type: ignore[type-var]
        async for piece in _never_silent(pieces, agent.idle_timeout_seconds):
            if isinstance(piece, Outcome):
                outcome = piece
            else:
                await output.add(piece)
    return outcome


async def _never_silent(pieces: AsyncIterator[T], seconds: float | None) -> AsyncIterator[T]:
    """The same pieces; raises RunFailed `went_silent` when the next one takes too long."""
    while True:
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError:
            if limit.expired():
                raise RunFailed("went_silent") from None
            raise
        yield piece


async def _fail(database: DatabaseThreads, claim: Claim, failure: RunFailed) -> None:
    await database.persist(
        lifecycle.fail,
        claim=claim,
        code=failure.code,
        detail=failure.detail,
        retry_at=failure.retry_at,
        **failure.facts,
    )


def _is_being_cancelled() -> bool:
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0
