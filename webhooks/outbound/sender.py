"""The part of a worker process that sends to many endpoints at once: one event loop in one thread.

Celery hands hints to `deliver`, which never waits. Endpoints wait in line for a place; each owner has a few, so that
one whose endpoints do not answer keeps nobody else from theirs.
"""

import asyncio
import logging
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Final

from django.db import DatabaseError, InterfaceError

from tasks.database_threads import DatabaseThreads
from webhooks.outbound import calls, turns

MOST_AT_ONCE: Final = 50
MOST_OF_AN_OWNER: Final = 5
DATABASE_THREADS: Final = 2
PATIENCE_SECONDS: Final = 2.0
STOP_SECONDS: Final = 5.0

_logger = logging.getLogger(__name__)


@dataclass
class _Turn:
    owner_id: int
    task: "asyncio.Task[None]"
    is_asked_again: bool = False


class Sender:
    """Sends to endpoints, at most `MOST_AT_ONCE` at a time, until it is shut down."""

    def __init__(self) -> None:
        self._database = DatabaseThreads(DATABASE_THREADS)
        # Only the loop's own thread touches these.
        self._waiting: dict[int, int] = {}
        self._turns: dict[int, _Turn] = {}
        self._is_closing = False
        self._client: calls.Client | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="webhook sender", daemon=True)
        self._thread.start()

    def deliver(self, endpoint_id: int, owner_id: int) -> None:
        """Send what is due to an endpoint soon. Called from any thread."""
        self._loop.call_soon_threadsafe(self._ask, endpoint_id, owner_id)

    def shut_down(self) -> None:
        """Begin nothing more, let calls end for a moment, then stop the rest: those deliveries are sent again."""
        asyncio.run_coroutine_threadsafe(self._drain(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._database.close()

    # --- On the loop -----------------------------------------------------------------------------------

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _ask(self, endpoint_id: int, owner_id: int) -> None:
        if turn := self._turns.get(endpoint_id):
            # It may have looked for the last time already.
            turn.is_asked_again = True
        else:
            self._waiting[endpoint_id] = owner_id
        self._begin_turns()

    def _begin_turns(self) -> None:
        busy = Counter(turn.owner_id for turn in self._turns.values())
        for endpoint_id, owner_id in list(self._waiting.items()):
            if self._is_closing or len(self._turns) >= MOST_AT_ONCE:
                return
            if busy[owner_id] < MOST_OF_AN_OWNER:
                busy[owner_id] += 1
                del self._waiting[endpoint_id]
                task = self._loop.create_task(self._take_turn(endpoint_id, owner_id))
                self._turns[endpoint_id] = _Turn(owner_id, task)

    async def _take_turn(self, endpoint_id: int, owner_id: int) -> None:
        is_more_left = False
        try:
            self._client = self._client or calls.client()
            is_more_left = await turns.carry_out(endpoint_id, self._database, self._client)
        except (DatabaseError, InterfaceError) as error:
            _logger.warning("endpoint %s could not have its turn: %s", endpoint_id, type(error).__name__)
        except Exception:
            # The lease runs out by itself, and the sweep comes back to it.
            _logger.exception("The turn of endpoint %s stumbled.", endpoint_id)
        finally:
            ended = self._turns.pop(endpoint_id)
            if is_more_left or ended.is_asked_again:
                self._waiting[endpoint_id] = owner_id
            self._begin_turns()

    async def _drain(self) -> None:
        self._is_closing = True
        running = [turn.task for turn in self._turns.values()]
        if running:
            await asyncio.wait(running, timeout=PATIENCE_SECONDS)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=STOP_SECONDS)
        if self._client is not None:
            await self._client.aclose()


_current: Sender | None = None
_creation = threading.Lock()


def current() -> Sender:
    """The sender of this process; the first call starts it."""
    global _current  # noqa: PLW0603 - one sender per worker process, however many Celery threads ask
    with _creation:
        if _current is None:
            _current = Sender()
        return _current


def shut_down() -> None:
    """End this process's sender if it was started."""
    global _current
    with _creation:
        sender, _current = _current, None
    if sender is not None:
        sender.shut_down()
