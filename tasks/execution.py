"""Carries one claimed task out: runner, time limit, output, and how it ended."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing, suppress
from typing import Final, TypeVar

from personalq.lib import redaction
from tasks import artifacts, lifecycle, untrusted
from tasks.claims import Claim, ClaimLost
from tasks.database_threads import DatabaseThreads
from tasks.desk import WorkerDesk
from tasks.meter import Meter
from tasks.models import Agent, Task
from tasks.output import Output
from tasks.output_writer import OutputWriter
from tasks.preparation import Prepared, prepare
from tasks.runners import ArtifactFile, Outcome, Parked, Piece, RunFailed
from tasks.spending.usage import Usage

logger: Final = logging.getLogger(__name__)
T = TypeVar("T")
CANARY_LEAKED: Final = "canary_leaked"


async def carry_out(task: Task, database: DatabaseThreads, writer: OutputWriter) -> None:
    """Run the attempt to its end and write that end, unless the claim was lost meanwhile.

    Cancelling this coroutine stops the runner and writes nothing more: whoever cancels says what became of the task.
    """
    claim = Claim.of(task)
    with suppress(ClaimLost):
        try:
            prepared = await database.persist(prepare, task=task, desk=WorkerDesk(task=task, database=database))
        except ClaimLost:
            raise
        except Exception as error:  # noqa: BLE001 - as in `_Attempt.carry_out`
            await _fail(database, claim, _failure(error, task))
            return
        with redaction.knows(*prepared.secrets):
            await _Attempt(task, prepared, database, writer).carry_out()


class _Attempt:
    """One attempt under way."""

    def __init__(self, task: Task, prepared: Prepared, database: DatabaseThreads, writer: OutputWriter) -> None:
        self._task = task
        self._prepared = prepared
        self._database = database
        self._writer = writer
        self._claim = Claim.of(task)
        self._mask = prepared.mask
        self._meter = Meter(prepared=prepared, claim=self._claim, database=database)
        self._watch = untrusted.CanaryWatch(prepared.canary) if prepared.canary else None

    async def carry_out(self) -> None:
        """Run, and write how it ended; raises ClaimLost."""
        try:
            await self._run_and_end()
        except ClaimLost:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of the process: it ends its own task, nothing else
            await _fail(self._database, self._claim, self._with_usage(_failure(error, self._task)))

    async def _run_and_end(self) -> None:
        agent = _agent_of(self._task)
        output = Output(claim=self._claim, writer=self._writer, limit_bytes=agent.output_limit_bytes)
        end = await self._run_flushing(agent, output)
        if isinstance(end, Parked):
            await self._database.persist(lifecycle.park, claim=self._claim, **self._mask.facts(end.facts))
            return
        usage = self._meter.final(end.usage)
        facts = self._mask.facts(end.facts)
        await self._database.persist(lifecycle.complete, claim=self._claim, result=output.text, usage=usage, **facts)

    async def _run_flushing(self, agent: Agent, output: Output) -> Outcome | Parked:
        flusher = asyncio.create_task(output.keep_flushing())
        try:
            return await _within_time(self._run(agent, output), agent.timeout_seconds)
        finally:
            # Cut off in the middle of a write it could not know what was written, so that is for cancelled attempts
            # only.
            if _is_being_cancelled():
                flusher.cancel()
            output.stop_flushing()
            await asyncio.gather(flusher, return_exceptions=True)
            if not _is_being_cancelled():
                await output.flush()

    async def _run(self, agent: Agent, output: Output) -> Outcome | Parked:
        end: Outcome | Parked = Outcome()
        pieces = self._prepared.runner.run(self._prepared.request)
        try:
            async with aclosing(pieces):  # type: ignore[type-var]
                async for piece in _never_silent(pieces, agent.idle_timeout_seconds):
                    if isinstance(piece, Outcome | Parked):
                        end = piece
                    else:
                        await self._take(piece, output)
        finally:
            if not _is_being_cancelled():
                await self._say(self._mask.rest(), output)
        return end

    async def _take(self, piece: str | Usage | ArtifactFile, output: Output) -> None:
        match piece:
            case str():
                await self._say(self._mask.feed(piece), output)
            case Usage():
                await self._meter.take(piece)
            case ArtifactFile():
                masked = ArtifactFile(name=self._mask.whole(piece.name), content=self._mask.whole_bytes(piece.content))
                await self._database.persist(artifacts.keep, claim=self._claim, file=masked)

    async def _say(self, text: str, output: Output) -> None:
        if not text:
            return
        if self._watch is not None and not self._watch.has_seen and self._watch.sees(text):
            logger.warning("The output of task %s gives its system prompt away.", self._task.uuid)
            await self._database.persist(lifecycle.raise_alarm, claim=self._claim, reason=CANARY_LEAKED)
        await output.add(text)

    def _with_usage(self, failure: RunFailed) -> RunFailed:
        """The same failure with what is known of its usage, and without secrets."""
        return RunFailed(
            failure.code,
            self._mask.whole(failure.detail),
            self._mask.facts(failure.facts),
            retry_at=failure.retry_at,
            usage=self._meter.final(failure.usage),
        )


def _failure(error: Exception, task: Task) -> RunFailed:
    """What the error means for the attempt; what nobody expected is a defect of ours, and logged as one."""
    if isinstance(error, RunFailed):
        return error
    logger.error("Attempt %s of task %s broke.", task.attempts, task.uuid, exc_info=error)
    return RunFailed("internal_error", "".join(traceback.format_exception(error)))


def _agent_of(task: Task) -> Agent:
    if task.agent is None:
        raise RunFailed("agent_deleted")
    return task.agent


async def _within_time(work: Awaitable[T], seconds: float) -> T:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if limit.expired():
            raise RunFailed("timed_out") from None
        raise


async def _never_silent(pieces: AsyncIterator[Piece], seconds: float | None) -> AsyncIterator[Piece]:
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
        usage=failure.usage,
        retry_at=failure.retry_at,
        **failure.facts,
    )


def _is_being_cancelled() -> bool:
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0
