"""Threads that queue tasks at a steady pace, and cancel some of them."""

import random
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from tests.chaos.asked import Asked, Wish
from tests.chaos.door import Answer, Door

THREADS: Final = 4
PAUSE_SECONDS: Final = 0.2
CANCELLED_SHARE: Final = 0.08
# Both what has just been queued and what is under way or over.
CANCEL_AMONG: Final = 8
LONGEST_PROMPT: Final = 12
WORDS: Final = ("alpha", "Βήτα", "gamma,", "délta", "ε", "zeta.", "eta\n", "θ\tθ", "iota ", "🜂")


@dataclass(frozen=True)
class Crowd:
    """An agent and its share of the tasks."""

    agent: str
    weight: int


class Feeder:
    """Queues `total` tasks within about `seconds`, until all of them were accepted."""

    def __init__(self, door: Door, asked: Asked, crowds: list[Crowd], *, seed: int, total: int, seconds: float) -> None:
        self._door = door
        self._asked = asked
        self._crowds = crowds
        self._seed = seed
        self._total = total
        self._seconds = seconds
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._feed, args=[number], daemon=True) for number in range(THREADS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait until everything was accepted; tells whether that was so within the time."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._stop.set()
        return not any(thread.is_alive() for thread in self._threads)

    def _feed(self, number: int) -> None:
        chance = random.Random(f"{self._seed} feeder {number}")
        mine = range(number, self._total, THREADS)
        began = time.monotonic()
        recent: list[str] = []
        for count, index in enumerate(mine):
            self._stop.wait(max(0.0, began + self._seconds * count / len(mine) - time.monotonic()))
            recent = [*recent, self._queue(chance, index)][-CANCEL_AMONG:]
            if chance.random() < CANCELLED_SHARE:
                self._cancel(chance.choice(recent))

    def _queue(self, chance: random.Random, index: int) -> str:
        """The id of a task that was accepted; each attempt at it is a task of its own."""
        agent = chance.choices([crowd.agent for crowd in self._crowds], [crowd.weight for crowd in self._crowds])[0]
        for attempt in range(1_000_000):
            wish = Wish(agent, f"{index}.{attempt} {self._seed} {make_text(chance)} end")
            answer = self._door.call("POST", "/api/v1/tasks", {"agent": wish.agent, "prompt": wish.prompt})
            if accepted := self._note(wish, answer):
                return accepted
            if self._stop.wait(PAUSE_SECONDS):
                break
        return ""

    def _note(self, wish: Wish, answer: Answer) -> str:
        self._asked.note_answer(answer.name)
        if answer.status == HTTPStatus.CREATED:
            task: str = answer.body["uuid"]
            self._asked.note_accepted(task, wish)
            return task
        if answer.is_unknown:
            self._asked.note_unanswered(wish)
        return ""

    def _cancel(self, task: str) -> None:
        answer = self._door.call("POST", f"/api/v1/tasks/{task}/cancel", {"reason": "changed my mind"})
        if answer.status == HTTPStatus.OK:
            self._asked.note_cancel(task, is_certain=True)
        elif answer.is_unknown:
            self._asked.note_cancel(task, is_certain=False)


def make_text(chance: random.Random) -> str:
    return " ".join(chance.choices(WORDS, k=chance.randint(1, LONGEST_PROMPT)))
