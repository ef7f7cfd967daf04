"""What the older tools send. Members in snake case are taken as well; null means that a member is left out."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from rest_framework.exceptions import ErrorDetail, ValidationError

from personalq.lib.errors import InvalidInput
from personalq.lib.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictJSONField,
    StrictSerializer,
)
from tasks.models import DEFAULT_QUEUE, PROMPT_LENGTH
from tasks.names import NAME_LENGTH, agent_name, queue_name
from tasks.older_tools.timing import FORMS
from tasks.runners.web import templates
from tasks.runners.web.config import METHODS_WITH_BODY, URL_LENGTH

METHODS: Final = ("GET", "POST", "PUT", "DELETE", "PATCH")
USUAL_TIMEOUT_MILLISECONDS: Final = 30_000
LONGEST_TIMEOUT_MILLISECONDS: Final = 86_400_000
PROMPT_PREFIX: Final = "prompt: "
_SNAKE: Final = {"targetUrl": "target_url", "oneTime": "one_time", "branchName": "branch"}


def _name(length: int = NAME_LENGTH) -> StrictCharField:
    return StrictCharField(max_length=length, refuse_edge_space=True, single_line=True, validators=[agent_name])


def _queue() -> StrictCharField:
    return StrictCharField(max_length=NAME_LENGTH, single_line=True, validators=[queue_name], default=DEFAULT_QUEUE)


class AgentForm(StrictSerializer):
    """The body of `POST /agents`."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "when": f"Send either oneTime: true, or schedule: {FORMS}.",
        "both": "Send either oneTime: true or a schedule, not both.",
        "no_body": "A request of this method has no body. Remove the body, or use POST, PUT or PATCH.",
        "placeholder": (
            "A part of it in {{…}} would be replaced by the prompt or the like. Write it differently, or make the "
            "agent by POST /api/v1/agents, where that is meant."
        ),
    }

    name = _name()
    target_url = StrictCharField(max_length=URL_LENGTH, single_line=True, refuse_edge_space=True)
    method = StrictChoiceField(choices=METHODS, default="POST")
    headers = StrictJSONField(max_bytes=16 * 1024, max_depth=1, object_only=True, default=dict)
    body = StrictJSONField(required=False)
    schedule = StrictJSONField(max_bytes=1024, max_depth=1, required=False)
    one_time = StrictBooleanField(default=False)
    timeout = StrictIntegerField(
        min_value=1, max_value=LONGEST_TIMEOUT_MILLISECONDS, default=USUAL_TIMEOUT_MILLISECONDS
    )
    queue = _queue()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["one_time"] == ("schedule" in attrs):
            raise self._wrong("schedule", "both" if attrs["one_time"] else "when")
        if "body" in attrs and attrs["method"] not in METHODS_WITH_BODY:
            raise self._wrong("body", "no_body")
        if templates.has_placeholders(attrs.get("body")):
            raise self._wrong("body", "placeholder")
        return attrs

    def _wrong(self, field: str, code: str) -> ValidationError:
        return ValidationError({field: ErrorDetail(str(self.error_messages[code]), code)})


class _PromptOptions(StrictSerializer):
    repository = StrictCharField(max_length=200, single_line=True, refuse_edge_space=True, required=False)
    branch = StrictCharField(max_length=200, single_line=True, refuse_edge_space=True, required=False)


class PromptForm(StrictSerializer):
    """The body of `POST /prompts/recurring`."""

    name = _name(NAME_LENGTH - len(PROMPT_PREFIX))
    prompt = StrictCharField(max_length=PROMPT_LENGTH)
    schedule = StrictJSONField(max_bytes=1024, max_depth=1)
    options = _PromptOptions(required=False)


class OperatorForm(StrictSerializer):
    """The body of `POST /task-operator`."""

    queue = StrictCharField(max_length=NAME_LENGTH, single_line=True, validators=[queue_name], required=False)


def read(form_class: type[StrictSerializer], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The checked members. Raises InvalidInput or ValidationError that names each wrong one."""
    form = form_class(data=_in_snake_case(wanted))
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def _in_snake_case(wanted: Mapping[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for given, value in wanted.items():
        name = _SNAKE.get(given, given)
        if name in members:
            raise InvalidInput.for_field(name, "repeated", "Send this member in one spelling only.")
        members[name] = _in_snake_case(value) if given == "options" and isinstance(value, Mapping) else value
    return {name: value for name, value in members.items() if value is not None}
