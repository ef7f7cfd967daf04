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
    Failure(
        "command_not_allowed",
        "The operator does not allow this command any more. Ask the operator to put it back into PERSONALQ_COMMANDS.",
    ),
    Failure("command_not_startable", "The command could not be started. Ask the operator to check the program."),
    Failure("workspace_not_allowed", "The operator does not offer this workspace any more. Choose another one."),
    Failure("workspace_not_made", "The task's workspace could not be made. Ask the operator to check where it starts."),
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
    Failure(
        "provider_overloaded",
        "The provider has too much to do at the moment. If the task has failed, retry it.",
        FailureClass.TRANSIENT,
    ),
    Failure(
        "provider_unavailable",
        "The provider could not be reached or broke off its answer. If the task has failed, retry it.",
        FailureClass.TRANSIENT,
    ),
    Failure("provider_auth", "The provider refused the key. Replace the agent's credential, then retry the task."),
    Failure("provider_refused", "The provider refused the request. Check the agent's settings, then retry the task."),
    Failure("model_not_found", "The provider has no such model for this key. Choose another model, then retry."),
    Failure("context_too_long", "The text is too long for the model. Shorten it or choose a model that takes more."),
    Failure("content_refused", "The model declined to answer. Change the prompt, then retry."),
    Failure("output_limit_reached", "The answer was cut at the agent's limit of tokens. Raise it or ask for less."),
    Failure("bad_answer", "What came back could not be understood. Check the agent's address and settings."),
    Failure("address_refused", "The address may not be called from here. Use a public one, or ask the operator."),
    Failure(
        "tls_error", "The other side could not prove who it is (TLS). Ask whoever runs it to mend its certificate."
    ),
    Failure("credential_missing", "The agent has no credential. Give it one, then retry the task."),
    Failure("credential_unreadable", "The agent's credential cannot be read. Enter its secret anew, then retry."),
    Failure(
        "base_url_not_allowed",
        "The operator does not allow this provider's address. Ask the operator to add it to PERSONALQ_MODEL_BASE_URLS.",
    ),
    Failure(
        "price_unknown",
        "A budget limits the cost, but the model has no price. Ask the operator to enter it under Model prices.",
    ),
    Failure("target_failed", "The outside runner reported that the work failed. See its output, then retry."),
    Failure(
        "target_try_later",
        "The outside runner asked to be tried again later. If the task has failed, retry it.",
        FailureClass.TRANSIENT,
    ),
    Failure("no_report", "The outside runner took the work and did not report in time. Check it, then retry."),
    Failure(
        "report_not_possible", "Others cannot reach this installation to report. Ask the operator to set its address."
    ),
    Failure(
        "target_failing",
        "The outside runner failed several times in a row and is left alone for a while. The task goes on by itself.",
        FailureClass.RATE_LIMITED,
    ),
    Failure("artifact_too_large", "A file that was left behind is larger than allowed. Make it smaller, then retry."),
    Failure(
        "budget_reserved",
        "Running tasks have reserved what is left of the budget. The task goes on by itself when they leave some.",
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
    Failure(
        "worker_failed",
        "The outside worker could not do it this time. If the task has failed, retry it.",
        FailureClass.TRANSIENT,
    ),
    Failure(
        "untrusted_text_refused",
        "The agent's policy lets no text in that looks like an attempt to take it over. Change the text, then retry.",
    ),
    Failure("reported_failed", "The task was marked as failed from outside. Retry it when the cause is mended."),
    Failure("internal_error", "Something unexpected went wrong here. The operator can see the details; retry later."),
)
FAILURES: Final[dict[str, Failure]] = {failure.code: failure for failure in _ALL}


def sentence_for(code: str) -> str:
    """The fixed sentence for a code; an unknown code gets the general one, so nothing unplanned is ever shown."""
    return FAILURES.get(code, FAILURES["internal_error"]).sentence
