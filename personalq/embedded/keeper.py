"""Keeps services running: a child that ends unexpectedly is started again, after a pause that grows.

No start is waited for: while one child is on its way back the others are looked after as ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from personalq.embedded.children import Child, Children
from personalq.embedded.console import say
from personalq.embedded.errors import ChildFailed
from personalq.embedded.services import Service

FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 10.0
# After so long at work an end counts as the first one.
STEADY_SECONDS: Final = 10.0
# A service that ends by itself this often in a row without having been at work is not started any more.
MOST_FALSE_STARTS: Final = 5
Clock = Callable[[], float]


class Kept:
    """One service, its present child, and how starting it has gone."""

    def __init__(self, service: Service, child: Child, children: Children, clock: Clock) -> None:
        self._service = service
        self._child = child
        self._children = children
        self._clock = clock
        self._is_running = self._is_at_work = True
        self._changed_at = clock()
        self._pause = FIRST_PAUSE_SECONDS
        self._false_starts = 0

    @property
    def is_at_work(self) -> bool:
        return self._is_at_work

    def look(self) -> None:
        """Do what is due. Raises: EmbeddedError when the service cannot be kept up."""
        if not self._is_running:
            self._start_when_due()
        elif self._child.has_ended():
            self._note_end()
        elif not self._is_at_work:
            self._greet_when_ready()
        elif self._clock() - self._changed_at > STEADY_SECONDS:
            self._pause = FIRST_PAUSE_SECONDS

    def _note_end(self) -> None:
        # Somebody else's doing (a person, a kernel short of memory) does not tell that it cannot start.
        if self._is_at_work or self._child.was_killed:
            self._false_starts = 0
        else:
            self._false_starts += 1
        self._is_running = self._is_at_work = False
        self._changed_at = self._clock()
        failure = self._child.explain_end()
        self._children.bury(self._child)
        if self._false_starts >= MOST_FALSE_STARTS:
            message = f"{failure}\n{self._child.name} ended {self._false_starts} times in a row before it was ready."
            raise ChildFailed(message, failure.log)
        say(f"\n{failure}\nStarting {self._child.name} again in {self._pause:.1f} s …")

    def _start_when_due(self) -> None:
        if self._clock() - self._changed_at < self._pause:
            return
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        self._child = self._service.launch()
        self._is_running = True

    def _greet_when_ready(self) -> None:
        if self._service.is_ready(self._child):
            self._is_at_work = True
            self._changed_at = self._clock()
            say(f"{self._child.name} is running again.")


class Keeper:
    """All services of one supervisor."""

    def __init__(self, children: Children, clock: Clock = time.monotonic) -> None:
        self._children = children
        self._clock = clock
        self._kept: list[Kept] = []

    def keep(self, service: Service, child: Child) -> None:
        """From now on look after a service whose child is at work."""
        self._kept.append(Kept(service, child, self._children, self._clock))

    @property
    def is_settled(self) -> bool:
        """Whether everything is at work as far as the last look told."""
        return all(kept.is_at_work for kept in self._kept)

    def look(self) -> None:
        """Start again what ended. Raises: EmbeddedError when something cannot be kept up."""
        for kept in self._kept:
            kept.look()
