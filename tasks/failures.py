"""Why an attempt failed: a code and a fixed sentence for each. Clients never see more than these."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Failure:
    """One known reason: what is said of it, and whether trying again by itself may help."""

    code: str
    sentence: str
    is_transient: bool = False


_ALL: Final = (
    Failure("agent_misconfigured", "The agent's settings are not usable. Edit the agent, then retry the task."),
    Failure("agent_deleted", "The agent was deleted before the task could run. Queue the prompt for another agent."),
    Failure("command_not_allowed", "The operator does not allow this command any more. Ask the operator."),
    Failure("command_not_startable", "The command could not be started. Ask the operator to check the program."),
    Failure("command_failed", "The command ended with an exit code other than 0. See its output, then retry."),
    Failure("command_killed", "The command was ended by a signal. Retry, or ask the operator about its limits."),
    Failure("timed_out", "The attempt took longer than the agent's time limit. Raise the limit or ask for less."),
    Failure("output_too_large", "The output grew beyond the agent's limit and was cut. Raise it or ask for less."),
    Failure("lease_lost", "The worker that carried the task out stopped answering. Retry the task.", is_transient=True),
    Failure("reported_failed", "The task was marked as failed from outside. Retry it when the cause is mended."),
    Failure("internal_error", "Something unexpected went wrong here. The operator can see the details; retry later."),
)
FAILURES: Final[dict[str, Failure]] = {failure.code: failure for failure in _ALL}


def sentence_for(code: str) -> str:
    """The fixed sentence for a code; an unknown code gets the general one, so nothing unplanned is ever shown."""
    return FAILURES.get(code, FAILURES["internal_error"]).sentence
