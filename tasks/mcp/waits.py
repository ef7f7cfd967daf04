"""Waiting for tasks without asking again and again.

Each process has one follower. It looks at all tasks that somebody waits for in one query, a few times a second, and
wakes those whose task has changed. A wait itself holds neither a thread nor a connection.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db.models import Exists, OuterRef

from accounts import tokens
from accounts.identity import Standing
from personalq.lib import stopping
from personalq.lib.database_guards import is_outage
from personalq.lib.errors import Conflict, InvalidToken, NotFound
from tasks import events, feed
from tasks.database_threads import DatabaseThreads
from tasks.models import Approval, ApprovalState, Task
from tasks.states import Status

DEFAULT_WAIT_SECONDS: Final = 50
LONGEST_WAIT_SECONDS: Final = 3_600
LOOK_SECONDS: Final = 0.3
# How many looks lie between two looks at the tokens of those who wait: about two seconds.
LOOKS_PER_TOKEN_CHECK: Final = 7
SHOWN_OUTPUT: Final = 500
MOST_EVENTS_AT_ONCE: Final = 500
_ENDED: Final = frozenset({Status.COMPLETE, Status.FAILED, Status.CANCELLED, Status.ARCHIVED})

logger = logging.getLogger(__name__)
Report = Callable[[str], Awaitable[None]]


class TooManyWaits(Conflict):
    """The user waits for as many tasks as one may at once."""

    code = "too_many_waits"
    title = "You wait for too many tasks at once."
    advice = "Let one of the waits end first, or ask with get_task."


@dataclass(frozen=True)
class Sight:
    """What matters of a task to those who wait for it."""

    status: Status
    attempts: int
    needs_approval: bool

    @property
    def is_finished(self) -> bool:
        return self.status in _ENDED

    @property
    def is_over(self) -> bool:
        """Whether waiting any longer is of no use."""
        return self.is_finished or self.needs_approval


@dataclass(eq=False)
class Wait:
    """Somebody who waits for a task."""

    task_id: int
    standing: Standing
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    sight: Sight | None = None
    latest_output: str = ""
    is_gone: bool = False
    is_signed_out: bool = False

    def tell(self, sight: Sight | None) -> None:
        self.is_gone = sight is None
        if sight != self.sight:
            self.sight = sight
            self.changed.set()

    @property
    def is_over(self) -> bool:
        return self.is_gone or self.is_signed_out or (self.sight is not None and self.sight.is_over)

    @property
    def in_words(self) -> str:
        """Such as "running (attempt 2): the latest words of its output"."""
        if self.sight is None:
            return ""
        asked = ", waits for approval" if self.sight.needs_approval else ""
        attempt = f" (attempt {self.sight.attempts})" if self.sight.status is Status.RUNNING else ""
        return f"{self.sight.status.word}{attempt}{asked}" + (f": {self.latest_output}" if self.latest_output else "")


class Follower:
    """Looks after all who wait on one event loop; at work only while somebody does."""

    def __init__(self) -> None:
        self._waits: set[Wait] = set()
        self._per_user: Counter[int] = Counter()
        self._threads = DatabaseThreads(1)
        self._work: asyncio.Task[None] | None = None
        self._cursor: int | None = None

    @asynccontextmanager
    async def waiting(self, *, task_id: int, standing: Standing) -> AsyncIterator[Wait]:
        """Follow a task within the block. Raises TooManyWaits."""
        user_id = standing[0]
        if self._per_user[user_id] >= settings.PERSONALQ_MCP_WAITS_PER_USER:
            raise TooManyWaits
        wait = Wait(task_id, standing)
        self._per_user[user_id] += 1
        self._waits.add(wait)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._follow())
        try:
            yield wait
        finally:
            self._waits.discard(wait)
            self._per_user[user_id] -= 1
            if not self._per_user[user_id]:
                del self._per_user[user_id]

    async def _follow(self) -> None:
        looks = 0
        self._cursor = None
        while self._waits and not stopping.has_begun():
            try:
                await self._look()
                if looks % LOOKS_PER_TOKEN_CHECK == 0:
                    await self._end_signed_out()
            except DatabaseFailure as error:
                # Its text stays out of the log, where drivers name addresses and statements.
                if not is_outage(error):
                    logger.exception("Looking at awaited tasks met an error of ours.")
            looks += 1
            await asyncio.sleep(LOOK_SECONDS)
        for wait in self._waits:  # those who are left when the process stops
            wait.changed.set()

    async def _look(self) -> None:
        ids = {wait.task_id for wait in self._waits}
        seen, output, self._cursor = await self._threads.run(look_at, task_ids=ids, after=self._cursor)
        for wait in self._waits:
            if wait.task_id not in ids:
                continue  # came while the database was asked
            if wait.task_id in output:
                wait.latest_output = output[wait.task_id]
                wait.changed.set()
            wait.tell(seen.get(wait.task_id))

    async def _end_signed_out(self) -> None:
        asked = {wait.standing for wait in self._waits}
        good = await self._threads.run(tokens.still_valid, standings=asked)
        for wait in self._waits:
            if wait.standing in asked and wait.standing not in good:
                wait.is_signed_out = True
                wait.changed.set()


def look_at(*, task_ids: Collection[int], after: int | None) -> tuple[dict[int, Sight], dict[int, str], int]:
    """How these tasks stand, the latest output of each since an event, and up to which event that is."""
    asked = Approval.objects.filter(task=OuterRef("pk"), state=ApprovalState.PENDING)
    rows = Task.objects.filter(pk__in=task_ids).annotate(is_asked=Exists(asked))
    seen = {
        pk: Sight(Status(status), attempts, is_asked and status == Status.BACKLOGGED)
        for pk, status, attempts, is_asked in rows.values_list("pk", "status", "attempts", "is_asked")
    }
    horizon = feed.horizon()
    if after is None or horizon <= after:
        return seen, {}, max(horizon, after or 0)
    found = feed.read(after=after, up_to=horizon, limit=MOST_EVENTS_AT_ONCE, task_ids=task_ids, kind=events.OUTPUT)
    latest = {event.task_id: str(event.data.get("text", ""))[-SHOWN_OUTPUT:] for event in found if event.task_id}
    # More than one reading takes: the rest comes with the next look.
    return seen, latest, found[-1].id if len(found) == MOST_EVENTS_AT_ONCE else horizon


async def wait_until_over(*, task_id: int, standing: Standing, seconds: float, report: Report) -> None:
    """Return when a task has ended or needs an approval, when the time is up, or when this process stops.

    Args:
        task_id: Of a task that whoever waits may see.
        standing: What their token stands on.
        seconds: How long to wait at most.
        report: Gets, in words, each change of state and the latest output.

    Raises:
        InvalidToken: The token is no longer good.
        NotFound: The task is gone.
        TooManyWaits: The user waits for too many already.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    async with follower_of_this_loop().waiting(task_id=task_id, standing=standing) as wait:
        while not (wait.is_over or stopping.has_begun() or loop.time() >= end):
            with suppress(TimeoutError):
                async with asyncio.timeout_at(end):
                    await wait.changed.wait()
            wait.changed.clear()
            if wait.in_words:
                await report(wait.in_words)
    if wait.is_signed_out:
        raise InvalidToken
    if wait.is_gone:
        raise NotFound


_followers: WeakKeyDictionary[asyncio.AbstractEventLoop, Follower] = WeakKeyDictionary()


def follower_of_this_loop() -> Follower:
    """The follower of the running event loop, made when first somebody waits."""
    loop = asyncio.get_running_loop()
    if loop not in _followers:
        _followers[loop] = Follower()
    return _followers[loop]
