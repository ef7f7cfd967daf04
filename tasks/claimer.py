"""The part of a worker that asks for work: one claim at a time, queue by queue in turn, while slots are free."""

import heapq
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from django.db import DatabaseError, InterfaceError, connections

from tasks import lifecycle
from tasks.lifecycle import Claimed
from tasks.models import Task
from tasks.selection import Room, rooms_of

logger = logging.getLogger(__name__)
LARGEST_CLAIM: Final = 20
CLOSE_SECONDS: Final = 10.0


class Claimer:
    """Keeps up to `slots` tasks under way. `start` gets each claimed task, on the claimer's own thread."""

    def __init__(self, *, slots: int, worker: str, start: Callable[[Task], None]) -> None:
        """Start the thread."""
        self._worker = worker
        self._start = start
        self._changed = threading.Condition()
        self._free = slots
        self._is_closing = False
        # Whoever looks at a queue puts it behind the others, so a busy one cannot keep them from their turn.
        self._queues: dict[int, None] = {}
        self._later: list[tuple[float, int]] = []
        self._blocked: defaultdict[Room, dict[int, None]] = defaultdict(dict)
        self._woken: defaultdict[int, set[Room]] = defaultdict(set)
        self._freed_meanwhile: set[Room] = set()
        self._thread = threading.Thread(target=self._run, name="claimer", daemon=True)
        self._thread.start()

    @property
    def free_slots(self) -> int:
        return self._free

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def look_at(self, queue_id: int) -> None:
        """Look at a queue soon. Asking again while it waits for its turn changes nothing."""
        with self._changed:
            self._queues.setdefault(queue_id)
            self._changed.notify()

    def end(self, task: Task) -> None:
        """Take back the slot of a task that has ended, and look for others that could not start beside it."""
        with self._changed:
            self._free += 1
            self._freed_meanwhile.update(rooms_of(task))
            if task.queue_id is not None:
                self._queues.setdefault(task.queue_id)
            for room in rooms_of(task):
                self._wake_one(room)
            self._changed.notify()

    def close(self) -> None:
        """Claim nothing more; returns when a claim that is under way has been handed on."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(CLOSE_SECONDS)

    def _wake_one(self, room: Room) -> None:
        """Let the queue that has waited longest for a limit look again: one place is free, so one is enough."""
        waiting = self._blocked.pop(room, {})
        if not waiting:
            return
        queue_id, *others = waiting
        self._queues.setdefault(queue_id)
        self._woken[queue_id].add(room)
        if others:
            self._blocked[room] = dict.fromkeys(others)

    def _run(self) -> None:
        while (turn := self._next_turn()) is not None:
            queue_id, limit = turn
            claimed = self._claim(queue_id, limit)
            self._note(queue_id, limit, claimed)
            for task in claimed.tasks:
                self._start(task)

    def _next_turn(self) -> tuple[int, int] | None:
        """The queue to look at and how many slots its claim may fill, which are taken already; None at the end."""
        with self._changed:
            while not self._is_closing:
                self._wake_later_ones()
                if self._queues and self._free:
                    limit = max(1, min(LARGEST_CLAIM, self._free // len(self._queues)))
                    self._free -= limit
                    self._freed_meanwhile.clear()
                    queue_id = next(iter(self._queues))
                    del self._queues[queue_id]
                    return queue_id, limit
                self._changed.wait(self._seconds_to_next())
            return None

    def _wake_later_ones(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            self._queues.setdefault(heapq.heappop(self._later)[1])

    def _seconds_to_next(self) -> float | None:
        return max(0.0, self._later[0][0] - time.monotonic()) if self._later else None

    def _claim(self, queue_id: int, limit: int) -> Claimed:
        try:
            return lifecycle.claim(queue_id=queue_id, worker=self._worker, limit=limit)
        except (DatabaseError, InterfaceError):
            logger.warning("Could not look for work; the sweep will ask again.")
        except Exception:
            # Without this thread the worker would take nothing any more, so nothing may end it.
            logger.exception("Looking for work in queue %s stumbled.", queue_id)
        finally:
            connections.close_all()
        return Claimed()

    def _note(self, queue_id: int, limit: int, claimed: Claimed) -> None:
        with self._changed:
            self._free += limit - len(claimed.tasks)
            # A limit that was freed after the claim had counted will not be freed again for it.
            if claimed.tasks or claimed.waits_for & self._freed_meanwhile:
                self._queues.setdefault(queue_id)
            if claimed.look_again_seconds is not None:
                heapq.heappush(self._later, (time.monotonic() + claimed.look_again_seconds, queue_id))
            self._pass_on(queue_id, claimed)
            for room in claimed.waits_for:
                self._blocked[room].setdefault(queue_id)

    def _pass_on(self, queue_id: int, claimed: Claimed) -> None:
        """Wake the next queue for a place that the one which was woken has not taken."""
        taken = {room for task in claimed.tasks for room in rooms_of(task)}
        for room in self._woken.pop(queue_id, set()) - taken - claimed.waits_for:
            self._wake_one(room)
