"""What can be counted of a campaign."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.chaos.asked import Asked
from tests.chaos.disturbances import Done
from tests.chaos.history import ENDS_OF_ATTEMPT, RETRIED, STARTED, Event, History
from tests.chaos.invariants import (
    attempts_are_numbered_without_gap,
    every_accepted_task_is_there,
    every_task_ends_exactly_once,
    every_task_has_ended,
    no_attempt_ends_twice,
    no_task_is_there_that_nobody_asked_for,
)

DOUBLES: Final = (
    no_task_is_there_that_nobody_asked_for,
    no_attempt_ends_twice,
    attempts_are_numbered_without_gap,
)


@dataclass(frozen=True)
class Recovery:
    """An attempt whose worker was killed, and how long it took until the task was started again."""

    task: str
    attempt: int
    seconds: float


def find_recoveries(done: list[Done], history: History) -> Iterator[Recovery]:
    """For each killed worker: what it was carrying out, and when that began again."""
    for kill in done:
        if not kill.name.endswith("worker") or not kill.name.startswith("kill"):
            continue
        for told in history.of_task.values():
            yield from _recoveries(kill, told)


def _recoveries(kill: Done, told: list[Event]) -> Iterator[Recovery]:
    for position, event in enumerate(told):
        is_its = event.kind == STARTED and str(event.data.get("worker", "")).endswith(f":{kill.pid}")
        if not is_its or event.at > kill.at:
            continue
        following = told[position + 1 :]
        end = next((later for later in following if later.kind in ENDS_OF_ATTEMPT), None)
        again = next((later for later in following if later.kind == STARTED), None)
        if end and again and end.at > kill.at and end.kind == RETRIED:
            yield Recovery(event.task, event.attempt, (again.at - kill.at).total_seconds())


@dataclass(frozen=True)
class Campaign:
    """All there is to say about one run."""

    seed: int
    lease_seconds: int
    asked: Asked
    done: list[Done]
    history: History
    leftovers: list[int]
    seconds: float
    violations: dict[str, list[str]]

    @property
    def kills(self) -> int:
        return sum(one.name.startswith("kill") for one in self.done)


def tabulate(campaign: Campaign) -> str:
    """The figures as a table for people."""
    asked, history = campaign.asked, campaign.history
    recoveries = sorted(recovery.seconds for recovery in find_recoveries(campaign.done, history))
    lost = len(list(every_accepted_task_is_there(asked, history)))
    stuck = len(list(every_task_has_ended(asked, history)))
    rows = [
        ("seed", campaign.seed),
        ("tasks accepted", len(asked.accepted)),
        ("answers to new tasks", _list(asked.answers)),
        ("disturbances", _list(Counter(one.name for one in campaign.done))),
        ("kills (SIGKILL)", campaign.kills),
        ("ends", _list(Counter(row.ended_as.word for row in history.rows))),
        ("failed as", _list(Counter(row.error_code for row in history.rows if row.error_code))),
        ("attempts", sum(row.attempts for row in history.rows)),
        ("attempts returned as", _list(_reasons(history))),
        ("lost", lost),
        ("doubled", _count_doubled(asked, history)),
        ("stuck", stuck),
        ("processes left over", len(campaign.leftovers)),
        ("interrupted by a killed worker", len(recoveries)),
        ("slowest recovery", _in_leases(recoveries[-1:], campaign.lease_seconds)),
        ("median recovery", _in_leases(recoveries[len(recoveries) // 2 :][:1], campaign.lease_seconds)),
        ("lease", f"{campaign.lease_seconds} s"),
        ("duration", f"{campaign.seconds:.0f} s"),
        ("invariants broken", ", ".join(campaign.violations) or "none"),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _count_doubled(asked: Asked, history: History) -> int:
    found = sum(len(list(invariant(asked, history))) for invariant in DOUBLES)
    return found + sum(": 0 ends" not in text for text in every_task_ends_exactly_once(asked, history))


def _reasons(history: History) -> Counter[str]:
    return Counter(str(event.data.get("reason", "?")) for event in history.events if event.kind == RETRIED)


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "none"


def _in_leases(seconds: list[float], lease_seconds: int) -> str:
    return f"{seconds[0] / lease_seconds:.2f} lease periods ({seconds[0]:.1f} s)" if seconds else "none"
