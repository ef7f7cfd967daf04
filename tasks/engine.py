"""The part of a worker process that carries many tasks at once: one event loop in one thread.

Celery hands nudges to `work`, which the claimer turns into claims. Claimed tasks run on the loop, so hundreds that
wait for a model or a program cost one thread. A watch notices within half a second, without any message, that a task
was cancelled or its claim lost.
"""

import asyncio
import logging
import os
import socket
import threading
import time
from typing import Final

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from personalq.lib.current_request import RequestMark, serving
from personalq.lib.http import Cause, calling_for
from tasks import execution, lifecycle
from tasks.claimer import Claimer
from tasks.claims import Claim, ClaimLost
from tasks.database_threads import DatabaseThreads
from tasks.heartbeats import Pulse
from tasks.models import Task
from tasks.output_writer import OutputWriter

logger = logging.getLogger(__name__)
DATABASE_THREADS: Final = 6
STOP_SECONDS: Final = 6.0
# The part of a lease after which a worker that could not renew it stops its work.
FENCE_AFTER: Final = 0.8
SHORTEST_LOOK_SECONDS: Final = 0.1


class Engine:
    """Claims and carries out up to `slots` tasks at once until it is shut down."""

    def __init__(self, *, slots: int) -> None:
        """Start the loop's thread and the claimer's."""
        self.worker: Final = f"{socket.gethostname()}:{os.getpid()}"
        self._database = DatabaseThreads(DATABASE_THREADS)
        # Nothing that attempts write may keep leases from being renewed.
        self._watch_database = DatabaseThreads(1)
        self._writer = OutputWriter(self._database)
        # Only the loop's own thread touches the running attempts.
        self._running: dict[Claim, asyncio.Task[None]] = {}
        self._renewed_at = time.monotonic()
        self._pulse = Pulse(worker=self.worker, slots=slots)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="engine", daemon=True)
        self._thread.start()
        self._claimer = Claimer(slots=slots, worker=self.worker, start=self._begin)

    def work(self, queue_id: int) -> None:
        """Look for work in a queue soon. Called from any thread."""
        self._claimer.look_at(queue_id)

    def stop_attempt(self, claim: Claim) -> None:
        """Stop one attempt if it runs here. Called from any thread."""
        self._loop.call_soon_threadsafe(self._cancel, claim)

    def shut_down(self, patience_seconds: float) -> None:
        """Take nothing more, let attempts finish for a while, then stop the rest and give their tasks back."""
        self._claimer.close()
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._drain(patience_seconds), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._database.close()
        self._watch_database.close()
        self._pulse.stop()

    def _begin(self, task: Task) -> None:
        self._loop.call_soon_threadsafe(self._start, task)

    # --- On the loop -----------------------------------------------------------------------------------

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        watch = self._loop.create_task(self._watch())
        self._loop.run_forever()
        watch.cancel()
        self._loop.run_until_complete(asyncio.gather(watch, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _start(self, task: Task) -> None:
        claim = Claim.of(task)
        self._running[claim] = self._loop.create_task(self._carry_out(task, claim))

    async def _carry_out(self, task: Task, claim: Claim) -> None:
        try:
            # This coroutine has a context of its own, so what runs beside it keeps its own request.
            with serving(RequestMark(task.request_id)), calling_for(_cause_of(task)):
                await self._carry_out_and_log(task, claim)
        finally:
            del self._running[claim]
            self._claimer.end(task)

    async def _carry_out_and_log(self, task: Task, claim: Claim) -> None:
        logger.info("Attempt %s of task %s begins.", claim.attempt, task.uuid)
        try:
            await execution.carry_out(task, self._database, self._writer)
        except asyncio.CancelledError:
            logger.info("Attempt %s of task %s was stopped.", claim.attempt, task.uuid)
            raise
        logger.info("Attempt %s of task %s is over.", claim.attempt, task.uuid)

    def _cancel(self, claim: Claim) -> None:
        if running := self._running.get(claim):
            running.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(settings.PERSONALQ_WATCH_SECONDS)
            try:
                # A database that hangs is as bad as one that is gone.
                async with asyncio.timeout(min(self._patience(), settings.PERSONALQ_LEASE_SECONDS / 3)):
                    await self._stop_lost()
                    await self._show_life()
            except (DatabaseError, InterfaceError, TimeoutError):
                self._fence_off()
            except Exception:
                # Without its watch a worker could not be stopped, so nothing may end it.
                logger.exception("The watch of running attempts stumbled.")

    async def _stop_lost(self) -> None:
        asked = set(self._running)
        is_due = time.monotonic() - self._renewed_at > settings.PERSONALQ_LEASE_SECONDS / 3
        if not asked:
            self._renewed_at = time.monotonic()
            return
        check = lifecycle.heartbeat if is_due else lifecycle.still_held
        held = await self._watch_database.run(check, claims=asked)
        if is_due:
            self._renewed_at = time.monotonic()
        for claim in asked - held:
            self._cancel(claim)

    async def _show_life(self) -> None:
        # A worker that cannot claim any more is not at work, whatever its loop does.
        if self._pulse.is_due and self._claimer.is_alive:
            await self._watch_database.run(self._pulse.beat, running=len(self._running))

    def _patience(self) -> float:
        """How long a look may take: never beyond the moment at which the work here has to stop."""
        stop_at = self._renewed_at + settings.PERSONALQ_LEASE_SECONDS * FENCE_AFTER
        return max(SHORTEST_LOOK_SECONDS, stop_at - time.monotonic())

    def _fence_off(self) -> None:
        # Leases we could not renew may be somebody else's by now: what runs here must not go on.
        if time.monotonic() - self._renewed_at > settings.PERSONALQ_LEASE_SECONDS * FENCE_AFTER:
            for claim in set(self._running):
                self._cancel(claim)

    async def _drain(self, patience_seconds: float) -> None:
        running = dict(self._running)
        if running:
            await asyncio.wait(running.values(), timeout=patience_seconds)
        left = [claim for claim in running if claim in self._running]
        for claim in left:
            self._cancel(claim)
        if left:
            await asyncio.wait([running[claim] for claim in left], timeout=STOP_SECONDS)
        await self._writer.close()
        for claim in left:
            await self._give_back(claim)

    async def _give_back(self, claim: Claim) -> None:
        try:
            await self._database.run(lifecycle.give_back, claim=claim, reason="worker_stopped")
        except (ClaimLost, DatabaseError, InterfaceError):
            logger.info("Task %s was not given back; it is over or the sweep takes it.", claim.task_id)


def _cause_of(task: Task) -> Cause:
    return Cause(owner_id=task.owner_id, noun="task", uuid=task.uuid)


_current: Engine | None = None
_creation = threading.Lock()


def current() -> Engine:
    """The engine of this process; the first call starts it."""
    global _current  # noqa: PLW0603 - one engine per worker process, however many Celery threads ask
    with _creation:
        if _current is None:
            _current = Engine(slots=settings.PERSONALQ_WORKER_SLOTS)
        return _current


def shut_down(patience_seconds: float) -> None:
    """End this process's engine if it was started."""
    global _current
    with _creation:
        engine, _current = _current, None
    if engine is not None:
        engine.shut_down(patience_seconds)
