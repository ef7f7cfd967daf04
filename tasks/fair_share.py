"""Whose task is next: pure decisions over what the database told.

Within one queue the user with the fewest running tasks goes first; among equals the one who was served longest ago.
Within one user's tasks the lowest `order` goes first, then the lowest id.
"""

import heapq
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Lane:
    """The ready tasks of one agent for one owner in a queue, and what may still be started of them."""

    owner_id: int
    agent_id: int
    owner_room: int
    agent_room: int
    running_of_owner: int
    served_at: datetime | None
    closed_by: str | None = None
    """Why nothing of the lane may start now, whatever room there is."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A ready task that is due."""

    task_id: int
    owner_id: int
    agent_id: int
    order: int
    concurrency_key: str
    is_handed_out: bool = False
    """Whether the task operator has handed it out, which lets one task run at a time, whoever owns it."""


class _Rooms:
    """What is left of the limits while tasks are being chosen."""

    def __init__(self, lanes: Iterable[Lane]) -> None:
        self._of_owner: dict[int, int] = {}
        self._of_agent: dict[int, int] = {}
        self._keys: set[tuple[int, str]] = set()
        self._has_handed_out = False
        for lane in lanes:
            self._of_owner[lane.owner_id] = lane.owner_room
            self._of_agent[lane.agent_id] = lane.agent_room

    def take(self, one: Candidate) -> bool:
        """Use up the room for a task, if there is any."""
        key = (one.owner_id, one.concurrency_key)
        if min(self._of_owner[one.owner_id], self._of_agent[one.agent_id]) <= 0 or key in self._keys:
            return False
        if one.is_handed_out and self._has_handed_out:
            return False
        self._has_handed_out |= one.is_handed_out
        self._of_owner[one.owner_id] -= 1
        self._of_agent[one.agent_id] -= 1
        if one.concurrency_key:
            self._keys.add(key)
        return True


def choose(lanes: Sequence[Lane], candidates: Iterable[Candidate], limit: int) -> list[int]:
    """The ids of at most `limit` tasks to start, in the order in which they should.

    Every candidate must belong to one of the lanes.
    """
    rooms = _Rooms(lanes)
    lines = _lines(candidates)
    turns = _turns(lanes, lines)
    chosen: list[int] = []
    while turns and len(chosen) < limit:
        running, _, owner_id = heapq.heappop(turns)
        task_id = _next_of(lines[owner_id], rooms)
        if task_id is not None:
            chosen.append(task_id)
            # Whoever was served just now stands behind everybody with as many running tasks.
            heapq.heappush(turns, (running + 1, len(lanes) + len(chosen), owner_id))
    return chosen


def _turns(lanes: Sequence[Lane], owners: Container[int]) -> list[tuple[int, int, int]]:
    """A heap of (running tasks, rank among equals, owner)."""
    served = {lane.owner_id: lane for lane in lanes if lane.owner_id in owners}
    in_order = sorted(served.values(), key=lambda lane: (lane.served_at or _NEVER, lane.owner_id))
    turns = [(lane.running_of_owner, rank, lane.owner_id) for rank, lane in enumerate(in_order)]
    heapq.heapify(turns)
    return turns


def _lines(candidates: Iterable[Candidate]) -> dict[int, list[Candidate]]:
    """Each owner's candidates, the next one last."""
    lines: dict[int, list[Candidate]] = {}
    for one in sorted(candidates, key=lambda one: (one.order, one.task_id), reverse=True):
        lines.setdefault(one.owner_id, []).append(one)
    return lines


def _next_of(line: list[Candidate], rooms: _Rooms) -> int | None:
    while line:
        one = line.pop()
        if rooms.take(one):
            return one.task_id
    return None
