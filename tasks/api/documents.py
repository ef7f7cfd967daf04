"""What answers look like, for the OpenAPI document. Tests compare real answers with these."""

from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from tasks import events, failures
from tasks.models.task import Source
from tasks.runners import KINDS, RUNNERS
from tasks.states import ALLOWED_FROM, WORDS, Status, verbs_for

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
    trusted = serializers.BooleanField(help_text="Whether a signed-in user wrote the prompt.")
    attempts = serializers.IntegerField(help_text="How often it was begun.")
    max_attempts = serializers.IntegerField()
    not_before_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True, help_text="When the latest attempt began.")
    finished_at = serializers.DateTimeField(allow_null=True)
    deadline_at = serializers.DateTimeField(allow_null=True, help_text="When a running attempt will be stopped.")
    error_code = serializers.ChoiceField(choices=sorted(failures.FAILURES), allow_null=True)
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


class Task(_TaskSummary):
    """A task."""

    prompt = serializers.CharField()
    input = serializers.JSONField(help_text="Any JSON, or null.")
    result = serializers.CharField(allow_null=True)
    error_detail = serializers.CharField(required=False, help_text="Shown to operators only.")


class TaskEvent(serializers.Serializer[Any]):
    """One thing that happened to a task."""

    event = serializers.ChoiceField(choices=events.KINDS)
    id = serializers.IntegerField(help_text="Grows with each event of the whole system.")
    task = serializers.UUIDField()
    attempt = serializers.IntegerField()
    at = serializers.DateTimeField()
    data = serializers.DictField(child=serializers.JSONField())  # type: ignore[assignment]  # as with `source`


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
    owner = serializers.CharField(allow_null=True, help_text="The owner's user name.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    url = serializers.URLField()


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
