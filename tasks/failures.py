"""Why an attempt failed: a code and a fixed sentence for each. Clients never see more than these."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class FailureClass(StrEnum):
    """What follows from a failure."""

    TRANSIENT = "transient"
    """It may go better soon: tried again after a pause while attempts are left."""
    RATE_LIMITED = "rate_limited"
    """A provider's limit: its agents are held until the limit ends, and the attempt does not count."""
    LOST = "lost"
    """The worker vanished: tried again at once, and the attempt does not count unless it happens again and again."""
    PERMANENT = "permanent"
    """It would fail again: somebody has to change something first."""
    BUDGET = "budget"
    """What may be spent is spent: somebody has to allow more first."""
    CANCELLED = "cancelled"
    """Somebody stopped it where it ran."""

    @property
    def is_retried(self) -> bool:
        """Whether such an attempt is tried again by itself."""
        return self in {FailureClass.TRANSIENT, FailureClass.RATE_LIMITED, FailureClass.LOST}


@dataclass(frozen=True)
class Failure:
    """One known reason: what is said of it, and what follows."""

    code: str
    sentence: str
    kind: FailureClass = FailureClass.PERMANENT


_ALL: Final = (
    Failure("agent_misconfigured", "The agent's settings are not usable. Edit the agent, then retry the task."),
    Failure("agent_deleted", "The agent was deleted before the task could run. Queue the prompt for another agent."),
    Failure("command_not_allowed", "The operator does not allow this command any more. Ask the operator."),
    Failure("command_not_startable", "The command could not be started. Ask the operator to check the program."),
    Failure("command_failed", "The command ended with an exit code other than 0. See its output, then retry."),
    Failure("command_killed", "The command was ended by a signal. Retry, or ask the operator about its limits."),
    Failure("timed_out", "The attempt took longer than the agent's time limit. Raise the limit or ask for less."),
    Failure("output_too_large", "The output grew beyond the agent's limit and was cut. Raise it or ask for less."),
    Failure(
        "went_silent",
        "The attempt said nothing for longer than the agent's idle limit. Raise it if the agent needs more time.",
        FailureClass.TRANSIENT,
    ),
    Failure("waited_too_long", "The task could not start in time. Retry it, or give it more time to wait."),
    Failure(
        "command_try_later",
        "The command asked to be tried again later (exit code 75). If the task has failed, retry it.",
        FailureClass.TRANSIENT,
    ),
    Failure(
        "rate_limited",
        "The provider takes no more requests for a while. The task goes on by itself.",
        FailureClass.RATE_LIMITED,
    ),
    Failure(
        "usage_limited",
        "The provider's usage limit is reached. The task goes on by itself when the limit is reset.",
        FailureClass.RATE_LIMITED,
    ),
    Failure("budget_exhausted", "The budget is used up. Raise it, then retry the task.", FailureClass.BUDGET),
    Failure(
        "stopped_by_agent",
        "The attempt was cancelled where it ran, not here. Retry the task if it shall run.",
        FailureClass.CANCELLED,
    ),
    Failure(
        "lease_lost",
        "The worker that carried the task out stopped answering. If the task has failed, retry it.",
        FailureClass.LOST,
    ),
    Failure("reported_failed", "The task was marked as failed from outside. Retry it when the cause is mended."),
    Failure("internal_error", "Something unexpected went wrong here. The operator can see the details; retry later."),
)
FAILURES: Final[dict[str, Failure]] = {failure.code: failure for failure in _ALL}


def sentence_for(code: str) -> str:
    """The fixed sentence for a code; an unknown code gets the general one, so nothing unplanned is ever shown."""
    return FAILURES.get(code, FAILURES["internal_error"]).sentence
