"""Why a task waits, in a few words for its head and a sentence for its empty screen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tasks import holds, waiting
from tasks.models import Agent, Queue, Task
from tasks.states import Status

_PLAIN: Final = {
    "stop_switch": "everything is stopped",
    "not_recorded": "getting in line",
    "task_operator_off": "the task operator is off",
    "task_operator_blocked": "the task operator cannot hand it out",
    "no_agent": "it has no agent",
    "owner_inactive": "its owner's account is not active",
    "not_before": "not before",
    "no_worker": "no worker is running",
    "task_operator_next": "the task operator hands it out when its turn comes",
    "task_operator_busy": "the task operator runs another one",
    "key_busy": "another task with its key is running",
    "user_full": "its owner runs as many tasks as one user may",
    "outside_worker": "an outside worker has to take it",
    "next_in_line": "next in line",
}
_NAMING: Final = {
    "agent_paused": "agent {agent} is paused",
    "agent_held": "agent {agent} is held",
    "queue_paused": "queue {queue} is paused",
    "rate": "queue {queue} starts the next one at",
}
_HELD: Final = "Its agent is held by a provider's limit. It goes on by itself."


@dataclass(frozen=True, kw_only=True)
class WaitingWords:
    """`words`, then the time if there is one, then `rest`; `sentence` says what may be done about it."""

    words: str
    until: datetime | None
    rest: str
    sentence: str


def tell_waiting(task: Task) -> WaitingWords | None:
    """What keeps a task from running; None unless it is ready."""
    found = waiting.why(task)
    if found is None:
        return None
    agent, queue = task.agent, task.queue
    if agent is None or queue is None or found.code in _PLAIN:
        return WaitingWords(words=_PLAIN.get(found.code, ""), until=found.until, rest="", sentence=found.sentence)
    if found.code == "agent_held" and found.until is not None:
        rest = f"({holds.WORDS.get(agent.held_code, 'limit')})"
        return WaitingWords(words="held until", until=found.until, rest=rest, sentence=_HELD)
    words = _words_about(found.code, agent, queue)
    return WaitingWords(words=words, until=found.until, rest="", sentence=found.sentence)


def _words_about(code: str, agent: Agent, queue: Queue) -> str:
    if code in {"agent_full", "queue_full"}:
        return _words_about_room(code, agent, queue)
    return _NAMING[code].format(agent=agent.name, queue=queue.name)


def _words_about_room(code: str, agent: Agent, queue: Queue) -> str:
    if code == "agent_full":
        return f"agent {agent.name} runs {_running_of(agent)} of {agent.concurrency_limit}"
    return f"queue {queue.name} runs {_running_of(queue)} of {queue.concurrency_limit}"


def _running_of(place: Agent | Queue) -> int:
    return place.tasks.filter(status=Status.RUNNING).count()
