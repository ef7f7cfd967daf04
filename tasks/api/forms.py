"""What clients may send in bodies."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from drf_spectacular.utils import extend_schema_field

from personalq.lib.fields import (
    LARGEST_INTEGER,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictIntegerField,
    StrictJSONField,
    StrictSerializer,
)
from tasks.models import PROMPT_LENGTH, TITLE_LENGTH
from tasks.names import NAME_LENGTH, agent_name, queue_name
from tasks.runners import KINDS, RUNNERS

SMALLEST_INTEGER: Final = -LARGEST_INTEGER - 1
INPUT_BYTES: Final = 64 * 1024
REASON_LENGTH: Final = 500
DESCRIPTION_LENGTH: Final = 500
_NAME_HELP: Final = "Unique among yours."


class SomeChange(StrictSerializer):
    """A change has to name at least one field, so that a lost body is noticed."""

    default_error_messages: ClassVar[dict[str, Any]] = {"empty": "Send at least one field to change."}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            self.fail("empty")
        return attrs


@extend_schema_field({"type": ["object", "array", "string", "number", "boolean"]})
class _AnyJsonField(StrictJSONField):
    pass


class NoBody(StrictSerializer):
    """Nothing, or an empty object."""


class TaskForm(StrictSerializer):
    """A new task."""

    agent = StrictCharField(max_length=NAME_LENGTH, help_text="The id or name of one of your agents.")
    prompt = StrictCharField(max_length=PROMPT_LENGTH, help_text="What the agent shall do.")
    title = StrictCharField(max_length=TITLE_LENGTH, required=False, allow_blank=True, single_line=True)
    order = StrictIntegerField(
        min_value=SMALLEST_INTEGER, max_value=LARGEST_INTEGER, required=False, help_text="Lower runs first."
    )
    input = _AnyJsonField(
        max_bytes=INPUT_BYTES,
        required=False,
        allow_null=True,
        help_text="Data for the agent beside the prompt.",
    )
    not_before_at = StrictDateTimeField(required=False, allow_null=True, help_text="Do not begin before this time.")
    queue = StrictCharField(
        max_length=NAME_LENGTH, required=False, help_text="A queue's id or name; without it the agent's own."
    )
    backlogged = StrictBooleanField(required=False, help_text="Put it aside until it is released.")


class TaskChanges(SomeChange):
    """What can be changed on a task that is neither running nor archived."""

    prompt = StrictCharField(max_length=PROMPT_LENGTH, required=False)
    title = StrictCharField(max_length=TITLE_LENGTH, required=False, allow_blank=True, single_line=True)
    order = StrictIntegerField(min_value=SMALLEST_INTEGER, max_value=LARGEST_INTEGER, required=False)


class Cancellation(StrictSerializer):
    """Why a task is cancelled."""

    reason = StrictCharField(
        max_length=REASON_LENGTH, required=False, allow_blank=True, help_text="Kept in the task's history."
    )


class _AgentLimits(StrictSerializer):
    description = StrictCharField(max_length=DESCRIPTION_LENGTH, required=False, allow_blank=True, single_line=True)
    queue = StrictCharField(
        max_length=NAME_LENGTH, required=False, help_text="The id or name of the queue for its tasks."
    )
    concurrency_limit = StrictIntegerField(
        min_value=1, max_value=10_000, required=False, help_text="Tasks of it that may run at once."
    )
    timeout_seconds = StrictIntegerField(
        min_value=1, max_value=86_400, required=False, help_text="How long one attempt may take."
    )
    output_limit_bytes = StrictIntegerField(
        min_value=1_024, max_value=10_485_760, required=False, help_text="Output of one attempt."
    )
    max_attempts = StrictIntegerField(
        min_value=1, max_value=20, required=False, help_text="Tries before a task counts as failed."
    )


class AgentForm(_AgentLimits):
    """A new agent of any kind; the kind's own fields stand beside these."""

    name = StrictCharField(
        max_length=NAME_LENGTH,
        refuse_edge_space=True,
        single_line=True,
        validators=[agent_name],
        help_text=_NAME_HELP,
    )
    kind = StrictChoiceField(choices=KINDS, help_text="What carries its tasks out. It cannot be changed later.")


class AgentChanges(SomeChange, _AgentLimits):
    """Changes of an agent of any kind."""

    name = StrictCharField(
        max_length=NAME_LENGTH,
        refuse_edge_space=True,
        single_line=True,
        validators=[agent_name],
        required=False,
        help_text=_NAME_HELP,
    )
    kind = StrictChoiceField(choices=KINDS, read_only=True)


class QueueForm(StrictSerializer):
    """A new queue."""

    name = StrictCharField(max_length=NAME_LENGTH, validators=[queue_name], help_text=_NAME_HELP)
    concurrency_limit = StrictIntegerField(
        min_value=1, max_value=10_000, required=False, help_text="Tasks of it that may run at once."
    )


class QueueChanges(StrictSerializer):
    """Changes of a queue."""

    concurrency_limit = StrictIntegerField(min_value=1, max_value=10_000, help_text="Tasks of it that may run at once.")


def _kind_field(kind: str) -> StrictChoiceField:
    field_class = type(f"{kind.title()}KindField", (StrictChoiceField,), {})
    described = extend_schema_field({"type": "string", "const": kind})(field_class)
    field: StrictChoiceField = described(choices=[kind])
    return field


def _for_kind(base: type[StrictSerializer], kind: str, suffix: str) -> type[StrictSerializer]:
    field = StrictChoiceField(choices=[kind], read_only=True) if base is AgentChanges else _kind_field(kind)
    members = {"__doc__": base.__doc__, "kind": field}
    return type(f"{kind.title()}Agent{suffix}", (base, RUNNERS[kind].config_class), members)


AGENT_FORMS: Final[Mapping[str, type[StrictSerializer]]] = {kind: _for_kind(AgentForm, kind, "Form") for kind in KINDS}
AGENT_CHANGES: Final[Mapping[str, type[StrictSerializer]]] = {
    kind: _for_kind(AgentChanges, kind, "Changes") for kind in KINDS
}


_OWN_OF_ALL = tuple(RUNNERS[kind].config_class for kind in KINDS)
AnyAgentChanges = type("AnyAgentChanges", (AgentChanges, *_OWN_OF_ALL), {"__doc__": AgentChanges.__doc__})
"""Only for the OpenAPI document, which cannot know which kind an agent has."""


def own_fields(kind: str) -> frozenset[str]:
    """The names of the fields that only agents of this kind have."""
    return frozenset(RUNNERS[kind].config_class().fields) if kind in RUNNERS else frozenset()
