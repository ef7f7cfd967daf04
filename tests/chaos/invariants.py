"""What must be true of every history, whatever was done to the product meanwhile.

Each function names what contradicts it, one sentence for each task concerned. Kinds of events that are not known
here are taken for remarks: they may stand anywhere but after the end.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from tasks.states import FINISHED, Status
from tests.chaos.asked import Asked
from tests.chaos.history import (
    AFTER_THE_END,
    CANCELLED,
    ENDS,
    ENDS_OF_ATTEMPT,
    OUTPUT,
    STARTED,
    Event,
    History,
    Row,
)

Invariant = Callable[[Asked, History], Iterator[str]]
MOST_NAMED: Final = 20


def every_accepted_task_is_there(asked: Asked, history: History) -> Iterator[str]:
    rows = {row.uuid: row for row in history.rows}
    for task, wish in asked.accepted.items():
        if task not in rows:
            yield f"{task} was accepted and is not there"
        elif rows[task].prompt != wish.prompt:
            yield f"{task} has another prompt than the one that was accepted"


def no_task_is_there_that_nobody_asked_for(asked: Asked, history: History) -> Iterator[str]:
    possible = Counter(wish.prompt for wish in [*asked.accepted.values(), *asked.unanswered])
    for row in history.rows:
        possible[row.prompt] -= 1
        if possible[row.prompt] < 0:
            yield f"{row.uuid} was not asked for, or is there twice"


def every_task_has_ended(_asked: Asked, history: History) -> Iterator[str]:
    for row in history.rows:
        if row.state not in FINISHED:
            yield f"{row.uuid} is still {row.state.word} in attempt {row.attempts}"


def no_ready_task_is_left_over(_asked: Asked, history: History) -> Iterator[str]:
    yield from (f"{row.uuid} is still ready" for row in history.rows if row.state == Status.READY)


def no_task_runs_without_a_live_lease(_asked: Asked, history: History) -> Iterator[str]:
    for row in history.rows:
        is_alive = row.lease_expires_at is not None and row.lease_expires_at > history.read_at
        if row.state == Status.RUNNING and not is_alive:
            yield f"{row.uuid} runs on a lease that ended at {row.lease_expires_at}"


def every_task_ends_exactly_once(_asked: Asked, history: History) -> Iterator[str]:
    for row, told in _ended(history):
        ends = [event.kind for event in told if event.kind in ENDS]
        if len(ends) != 1:
            yield f"{row.uuid} has {len(ends)} ends: {', '.join(ends) or 'none'}"


def the_end_is_the_status(_asked: Asked, history: History) -> Iterator[str]:
    for row, told in _ended(history):
        ends = [event for event in told if event.kind in ENDS]
        if ends and ENDS[ends[-1].kind] != row.ended_as:
            yield f"{row.uuid} is {row.ended_as.word}, but its history ends with {ends[-1].kind}"


def nothing_comes_after_the_end(_asked: Asked, history: History) -> Iterator[str]:
    for row, told in _ended(history):
        end = next((event for event in told if event.kind in ENDS), None)
        late = [event for event in told if end and event.id > end.id and event.kind not in AFTER_THE_END]
        if late:
            yield f"{row.uuid} has {_name(late[0])} after its end"


def attempts_are_numbered_without_gap(_asked: Asked, history: History) -> Iterator[str]:
    for row in history.rows:
        started = [event.attempt for event in history.of_task[row.uuid] if event.kind == STARTED]
        if started != list(range(1, row.attempts + 1)):
            yield f"{row.uuid} counts {row.attempts} attempts and started {started}"


def no_attempt_ends_twice(_asked: Asked, history: History) -> Iterator[str]:
    for task, told in history.of_task.items():
        # A task that waits after its return may be cancelled, which carries the same number.
        ends = Counter(event.attempt for event in told if event.kind in ENDS_OF_ATTEMPT - {CANCELLED})
        twice = [attempt for attempt, count in ends.items() if count > 1]
        if twice:
            yield f"{task} ended attempts {twice} more than once"


def no_attempt_begins_before_the_last_one_ended(_asked: Asked, history: History) -> Iterator[str]:
    for task, told in history.of_task.items():
        running = None
        for event in told:
            if event.kind == STARTED and running is not None:
                yield f"{task} started attempt {event.attempt} while attempt {running} ran"
            if event.kind == STARTED:
                running = event.attempt
            elif event.kind in ENDS_OF_ATTEMPT:
                running = None


def no_output_comes_outside_of_its_attempt(_asked: Asked, history: History) -> Iterator[str]:
    for task, told in history.of_task.items():
        running = None
        for event in told:
            if event.kind == STARTED:
                running = event.attempt
            elif event.kind in ENDS_OF_ATTEMPT:
                running = None
            elif event.kind == OUTPUT and event.attempt != running:
                yield f"{task} has output of attempt {event.attempt} in event {event.id} outside of that attempt"


def complete_tasks_say_their_prompt(_asked: Asked, history: History) -> Iterator[str]:
    """All agents of a campaign say back what they were told, so nothing may be doubled and nothing cut."""
    for row in history.rows:
        if row.ended_as != Status.COMPLETE:
            continue
        if row.result != row.prompt:
            yield f"{row.uuid} says {row.result!r} instead of {row.prompt!r}"
        pieces = [piece for piece in history.of_task[row.uuid] if _is_output_of(piece, row.attempts)]
        if not _are_whole(pieces, row.prompt):
            told = [(piece.id, piece.data["offset"], piece.data["text"]) for piece in pieces]
            yield f"{row.uuid} told (event, offset, text) {told} instead of {row.prompt!r}"


def cancelled_tasks_stay_cancelled(asked: Asked, history: History) -> Iterator[str]:
    for row in history.rows:
        if row.uuid in asked.cancelled and row.ended_as != Status.CANCELLED:
            yield f"{row.uuid} was cancelled and is {row.ended_as.word}"
        if row.ended_as == Status.CANCELLED and row.uuid not in asked.cancelled | asked.cancels_unanswered:
            yield f"{row.uuid} is cancelled and nobody asked for it"


INVARIANTS: Final[tuple[Invariant, ...]] = (
    every_accepted_task_is_there,
    no_task_is_there_that_nobody_asked_for,
    every_task_has_ended,
    no_ready_task_is_left_over,
    no_task_runs_without_a_live_lease,
    every_task_ends_exactly_once,
    the_end_is_the_status,
    nothing_comes_after_the_end,
    attempts_are_numbered_without_gap,
    no_attempt_ends_twice,
    no_attempt_begins_before_the_last_one_ended,
    no_output_comes_outside_of_its_attempt,
    complete_tasks_say_their_prompt,
    cancelled_tasks_stay_cancelled,
)


def find_violations(asked: Asked, history: History) -> dict[str, list[str]]:
    """What contradicts each invariant; those that hold are left out."""
    found = {invariant.__name__: list(invariant(asked, history)) for invariant in INVARIANTS}
    return {name: sentences for name, sentences in found.items() if sentences}


def describe(violations: dict[str, list[str]]) -> str:
    """A text for a person; of many sentences the first ones."""
    lines = []
    for name, sentences in violations.items():
        lines.append(f"{name.replace('_', ' ')}: {len(sentences)} times otherwise")
        lines += [f"    {sentence}" for sentence in sentences[:MOST_NAMED]]
    return "\n".join(lines)


def _ended(history: History) -> Iterator[tuple[Row, list[Event]]]:
    return ((row, history.of_task[row.uuid]) for row in history.rows if row.state in FINISHED)


def _is_output_of(event: Event, attempt: int) -> bool:
    return event.kind == OUTPUT and event.attempt == attempt


def _are_whole(pieces: list[Event], text: str) -> bool:
    """Whether the pieces make the text, each once and in its place."""
    told = ""
    for piece in pieces:
        if piece.data["offset"] != len(told):
            return False
        told += piece.data["text"]
    return told == text


def _name(event: Event) -> str:
    return f"{event.kind} (event {event.id}, attempt {event.attempt})"
