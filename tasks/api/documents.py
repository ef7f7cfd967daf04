"""What answers look like, for the OpenAPI document. Tests compare real answers with these."""

from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from tasks import events, failures, holds, readiness, task_operator, waiting
from tasks.attempt_history import MOST_ATTEMPTS, Outcome
from tasks.models import ConcurrencyPolicy, UntrustedPolicy
from tasks.models.task import Source
from tasks.runners import KINDS, RUNNERS
from tasks.states import ALLOWED_FROM, WORDS, Status, verbs_for

_FAILURES = sorted(failures.FAILURES)
_VERBS = sorted(verb for verb in ALLOWED_FROM if any(verb in verbs_for(status) for status in Status))


class _TaskSummary(serializers.Serializer[Any]):
    uuid = serializers.UUIDField()
    title = serializers.CharField()
    status = serializers.ChoiceField(choices=WORDS)
    order = serializers.IntegerField(help_text="Lower runs first.")
    agent = serializers.UUIDField(allow_null=True)
    agent_name = serializers.CharField(allow_null=True)
    queue = serializers.CharField(allow_null=True, help_text="The queue's name.")
    source = serializers.ChoiceField(  # type: ignore[assignment]  # DRF gives every field an attribute of this name
        choices=Source.values, help_text="How the task came in."
    )
    trusted = serializers.BooleanField(help_text="Whether the prompt is its owner's own word.")
    origin = serializers.CharField(help_text="Where its text came from, in words.")
    is_suspicious = serializers.BooleanField(
        help_text="Whether its text from outside looks like an attempt to take the agent over."
    )
    has_alarm = serializers.BooleanField(help_text="Whether its output gave its system prompt away.")
    conversation = serializers.UUIDField(allow_null=True, help_text="The thread that it is part of.")
    schedule = serializers.UUIDField(allow_null=True, help_text="The schedule that brought it in.")
    attempts = serializers.IntegerField(help_text="How often it was begun.")
    attempts_counted = serializers.IntegerField(
        help_text="How many of them count against `max_attempts`: not those that were lost, held or returned."
    )
    max_attempts = serializers.IntegerField()
    handed_out_at = serializers.DateTimeField(
        allow_null=True, help_text="When the task operator gave it to its agent; null for tasks that came with one."
    )
    not_before_at = serializers.DateTimeField(allow_null=True)
    start_by_at = serializers.DateTimeField(allow_null=True, help_text="A task that is still ready at this time fails.")
    held_until_at = serializers.DateTimeField(
        allow_null=True, help_text="Until when a provider's limit holds the agent of a ready task."
    )
    concurrency_key = serializers.CharField(allow_null=True)
    concurrency_policy = serializers.ChoiceField(choices=ConcurrencyPolicy.values, allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True, help_text="When the latest attempt began.")
    parked_at = serializers.DateTimeField(
        allow_null=True, help_text="Since when an outside runner carries it out, which will report."
    )
    finished_at = serializers.DateTimeField(allow_null=True)
    deadline_at = serializers.DateTimeField(allow_null=True, help_text="When a running attempt will be stopped.")
    pruned_at = serializers.DateTimeField(
        allow_null=True, help_text="When its texts and files were removed, the time for which they are kept being over."
    )
    is_dead = serializers.BooleanField(help_text="Whether it failed because its attempts were used up.")
    error_code = serializers.ChoiceField(choices=_FAILURES, allow_null=True)
    error = serializers.CharField(allow_null=True, help_text="One fixed sentence for each code.")
    tokens_in = serializers.IntegerField(allow_null=True)
    tokens_out = serializers.IntegerField(allow_null=True)
    cost = serializers.DecimalField(max_digits=12, decimal_places=6, allow_null=True)
    owner = serializers.CharField(allow_null=True, help_text="The owner's user name.")
    allowed = serializers.ListField(
        child=serializers.ChoiceField(choices=_VERBS), help_text="What can be asked of it now."
    )
    url = serializers.URLField()


class TaskRow(_TaskSummary):
    """A task in a list."""

    prompt = serializers.CharField(help_text="Its first 500 characters.")
    prompt_truncated = serializers.BooleanField()


class Waiting(serializers.Serializer[Any]):
    """Why a ready task does not run yet: the first reason of perhaps several."""

    code = serializers.ChoiceField(choices=waiting.CODES)
    sentence = serializers.CharField()
    until = serializers.DateTimeField(allow_null=True, help_text="When it will be over, if that is known.")


class Cancelled(serializers.Serializer[Any]):
    """Who cancelled a task, and why."""

    by = serializers.CharField(allow_null=True, help_text="A user name; null when no user asked for it.")
    at = serializers.DateTimeField()
    reason = serializers.CharField(allow_null=True)


class SuspicionReason(serializers.Serializer[Any]):
    """One thing that was found in text from outside."""

    code = serializers.CharField()
    sentence = serializers.CharField()
    excerpt = serializers.CharField(help_text="A few words around the place, with unusual characters escaped.")


class Suspicion(serializers.Serializer[Any]):
    """What was found in text from outside."""

    score = serializers.FloatField(help_text="From 0 to 1.")
    is_suspicious = serializers.BooleanField(help_text="Whether the agent's policy was applied.")
    is_notable = serializers.BooleanField(help_text="Whether it is worth a look, also when it is let through.")
    reasons = SuspicionReason(many=True)


class Task(_TaskSummary):
    """A task."""

    prompt = serializers.CharField()
    input = serializers.JSONField(help_text="Any JSON, or null.")
    untrusted_text = serializers.CharField(help_text="Text from outside that the prompt is about.")
    suspicion = Suspicion(allow_null=True, help_text="Null when nothing came from outside or nobody looked.")
    approval = serializers.UUIDField(allow_null=True, help_text="The approval that it waits for.")
    result = serializers.CharField(allow_null=True)
    cancelled = Cancelled(allow_null=True, help_text="Null unless the task is cancelled.")
    waiting = Waiting(
        allow_null=True,
        required=False,
        help_text="Null unless the task is ready. Only here when the task is read, not in answers to changes.",
    )
    error_detail = serializers.CharField(required=False, help_text="Shown to operators only.")


class TaskInHand(Task):
    """A task that an outside worker carries out."""

    attempt = serializers.IntegerField(help_text="The worker's right to write about it.")
    lease_expires_at = serializers.DateTimeField(allow_null=True, help_text="Null when the attempt has ended.")


class TaskEvent(serializers.Serializer[Any]):
    """One thing that happened to a task."""

    event = serializers.ChoiceField(choices=events.KINDS)
    id = serializers.IntegerField(help_text="Grows with each event of the whole system.")
    task = serializers.UUIDField()
    attempt = serializers.IntegerField()
    at = serializers.DateTimeField()
    data = serializers.DictField(child=serializers.JSONField())  # type: ignore[assignment]  # as with `source`


class Attempt(serializers.Serializer[Any]):
    """What became of one attempt."""

    attempt = serializers.IntegerField(help_text="Its number; the first is 1.")
    outcome = serializers.ChoiceField(choices=[outcome.value for outcome in Outcome])
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    error_code = serializers.ChoiceField(choices=_FAILURES, allow_null=True)
    error = serializers.CharField(allow_null=True, help_text="One fixed sentence for each code.")
    worker = serializers.CharField(allow_null=True)
    output_length = serializers.IntegerField(help_text="Characters.")
    output_url = serializers.URLField(help_text="The events with its output.")
    tokens_in = serializers.IntegerField(allow_null=True)
    tokens_out = serializers.IntegerField(allow_null=True)
    cost = serializers.DecimalField(max_digits=12, decimal_places=6, allow_null=True)


class Attempts(serializers.Serializer[Any]):
    """A task's attempts, the latest first."""

    results = Attempt(many=True)
    total = serializers.IntegerField(help_text=f"How many there were; the latest {MOST_ATTEMPTS} are shown.")


class _AgentSummary(serializers.Serializer[Any]):
    uuid = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=KINDS)
    description = serializers.CharField()
    queue = serializers.CharField(help_text="The queue's name.")
    concurrency_limit = serializers.IntegerField()
    timeout_seconds = serializers.IntegerField()
    output_limit_bytes = serializers.IntegerField()
    max_attempts = serializers.IntegerField()
    retry_base_seconds = serializers.IntegerField()
    retry_cap_seconds = serializers.IntegerField()
    idle_timeout_seconds = serializers.IntegerField(allow_null=True)
    waiting_timeout_seconds = serializers.IntegerField(allow_null=True)
    credential = serializers.UUIDField(allow_null=True, help_text="The credential with which it works.")
    credential_name = serializers.CharField(allow_null=True)
    untrusted_policy = serializers.ChoiceField(choices=UntrustedPolicy.values)
    needs_approval = serializers.BooleanField()
    is_paused = serializers.BooleanField()
    held_until_at = serializers.DateTimeField(
        allow_null=True,
        help_text="Until when a provider's limit keeps it from starting anything; null when it is over.",
    )
    held_reason = serializers.ChoiceField(choices=sorted(holds.WORDS), allow_null=True)
    held = serializers.CharField(allow_null=True, help_text="Such as `held until 14:05 UTC (usage limit)`.")
    owner = serializers.CharField(help_text="The owner's user name.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    url = serializers.URLField()


class Queue(serializers.Serializer[Any]):
    """A queue."""

    uuid = serializers.UUIDField()
    name = serializers.CharField()
    is_shared = serializers.BooleanField(help_text="Whether it is everybody's and belongs to the operators.")
    is_paused = serializers.BooleanField()
    concurrency_limit = serializers.IntegerField()
    rate_limit = serializers.IntegerField(allow_null=True, help_text="Tasks that may start within one period.")
    rate_period_seconds = serializers.IntegerField()
    owner = serializers.CharField(allow_null=True, help_text="The owner's user name.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    url = serializers.URLField()


class QueueInfo(serializers.Serializer[Any]):
    """What is in a queue. Cancelled, backlogged and archived tasks are in none of the figures."""

    uuid = serializers.UUIDField()
    name = serializers.CharField()
    waiting = serializers.IntegerField(help_text="Ready and due.")
    active = serializers.IntegerField(help_text="Running.")
    completed = serializers.IntegerField()
    failed = serializers.IntegerField()
    delayed = serializers.IntegerField(help_text="Ready, and not to begin before a time that is still to come.")
    agents = serializers.ListField(child=serializers.CharField(), help_text="Names of the agents that use it.")
    is_capped = serializers.BooleanField(help_text="Whether there is more of something than was counted.")
    is_whole = serializers.BooleanField(help_text="Whether what others have there is counted, too.")


def _agent_of(kind: str) -> type[serializers.Serializer[Any]]:
    field_class = type(f"{kind.title()}Kind", (serializers.CharField,), {})
    field = extend_schema_field({"type": "string", "const": kind})(field_class)()
    members = {"__doc__": f"An agent of the kind {kind}.", "kind": field}
    return type(f"{kind.title()}Agent", (_AgentSummary, RUNNERS[kind].config_class), members)


AGENT = PolymorphicProxySerializer(
    component_name="Agent",
    serializers={kind: _agent_of(kind) for kind in KINDS},
    resource_type_field_name="kind",
)


class StopSwitch(serializers.Serializer[Any]):
    """The operators' switch that stops everything."""

    is_on = serializers.BooleanField()
    at = serializers.DateTimeField(allow_null=True, help_text="When it was last turned; null if it never was.")
    reason = serializers.CharField(allow_null=True)
    by = serializers.CharField(allow_null=True, required=False, help_text="Shown to operators only.")


class TaskOperatorProblem(serializers.Serializer[Any]):
    """Why the task operator hands nothing out, or why nothing starts."""

    code = serializers.ChoiceField(choices=task_operator.PROBLEMS)
    sentence = serializers.CharField()


class TaskOperatorHolder(serializers.Serializer[Any]):
    """The task that runs by the hand of the task operator, or is next at its agent."""

    task = serializers.UUIDField()
    status = serializers.ChoiceField(choices=[Status.READY.word, Status.RUNNING.word])
    attempt = serializers.IntegerField(help_text="How often it was begun.")
    worker = serializers.CharField(allow_null=True, help_text="Null while it waits for its start.")
    since = serializers.DateTimeField(allow_null=True, help_text="When the attempt began.")
    url = serializers.URLField()


class TaskOperator(serializers.Serializer[Any]):
    """The operators' switch that gives tasks without an agent to the default agent, one at a time."""

    is_on = serializers.BooleanField()
    at = serializers.DateTimeField(allow_null=True, help_text="When it was last turned; null if SQL did it.")
    by = serializers.CharField(allow_null=True)
    agent = serializers.UUIDField(allow_null=True, help_text="The default agent, also while it is off.")
    agent_name = serializers.CharField(allow_null=True)
    queue = serializers.CharField(allow_null=True, help_text="The name of the queue that tasks go to.")
    trusts_prompts = serializers.BooleanField(help_text="Whether prompts are instructions to the agent.")
    problem = TaskOperatorProblem(allow_null=True)
    holder = TaskOperatorHolder(allow_null=True)
    waiting = serializers.IntegerField(help_text="How many ready tasks have no agent yet.")


class TaskOperatorLock(serializers.Serializer[Any]):
    """Which task holds the task operator."""

    is_held = serializers.BooleanField()
    holder = TaskOperatorHolder(allow_null=True)


class TaskOperatorFreed(serializers.Serializer[Any]):
    """Whether a task held it."""

    is_cleared = serializers.BooleanField()


class ReadinessCheck(serializers.Serializer[Any]):
    """One thing that the product needs."""

    name = serializers.ChoiceField(choices=readiness.NAMES)
    is_ok = serializers.BooleanField()
    facts = serializers.DictField(child=serializers.JSONField(), help_text="What was seen; different for each name.")


class Readiness(serializers.Serializer[Any]):
    """What works and what does not."""

    is_ready = serializers.BooleanField()
    checks = ReadinessCheck(many=True)


class _Page(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True, help_text="The next page; null on the last one.")
    previous = serializers.URLField(allow_null=True)


class TaskPage(_Page):
    """Tasks, newest first."""

    results = TaskRow(many=True)


class AgentPage(_Page):
    """Agents, newest first."""

    results = serializers.ListField(child=AGENT)


class QueuePage(_Page):
    """Queues, newest first."""

    results = Queue(many=True)


class EventPage(serializers.Serializer[Any]):
    """Events, oldest first."""

    results = TaskEvent(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page; null when there is nothing newer yet.")
