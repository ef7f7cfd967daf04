"""What a voice agent may send."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from rest_framework.exceptions import ValidationError

from personalq.lib.fields import StrictCharField, StrictSerializer
from tasks.models import TITLE_LENGTH
from tasks.names import NAME_LENGTH

CONVERSATION_LENGTH: Final = 100
REQUEST_ID_LENGTH: Final = 200
TOOL_LENGTH: Final = 40
SPOKEN_PROMPT_LENGTH: Final = 10_000
"""Characters: more than anybody says in one breath, and escaped as JSON still less than a body may hold."""


class _ConversationField(StrictCharField):
    """An id as ElevenLabs makes them. Without spaces, so that it can be told apart in a task's origin."""

    default_error_messages: ClassVar[dict[str, Any]] = {"form": "Send the conversation's id as it is, or leave it out."}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not all("!" <= each <= "~" for each in text):
            self.fail("form")
        return text


class CallForm(StrictSerializer):
    """One use of a tool, without its arguments."""

    tool = StrictCharField(max_length=TOOL_LENGTH, single_line=True)
    conversation_id = _ConversationField(
        max_length=CONVERSATION_LENGTH, required=False, allow_blank=True, single_line=True
    )


class NoArguments(StrictSerializer):
    """For tools that take none."""


class NewTaskForm(StrictSerializer):
    """What is to be done, as it was said."""

    prompt = StrictCharField(max_length=SPOKEN_PROMPT_LENGTH)
    title = StrictCharField(max_length=TITLE_LENGTH, required=False, allow_blank=True, single_line=True)
    queue = StrictCharField(max_length=NAME_LENGTH, required=False)
    request_id = StrictCharField(max_length=REQUEST_ID_LENGTH, required=False, single_line=True)


class OneTaskForm(StrictSerializer):
    """A task: its id, the first characters of its id, or nothing for the last one."""

    task = StrictCharField(max_length=NAME_LENGTH, required=False, single_line=True)


def read_call(body: Mapping[str, Any]) -> tuple[str, Any, str]:
    """Tool, arguments and conversation of a body. Raises ValidationError that names the field."""
    form = CallForm(data={name: value for name, value in body.items() if name != "args"})
    form.is_valid(raise_exception=True)
    return form.validated_data["tool"], body.get("args", {}), form.validated_data.get("conversation_id", "")


def read_arguments(form_class: type[StrictSerializer], given: object) -> dict[str, Any]:
    """Checked arguments. Raises ValidationError that names them as `args.prompt` and so on."""
    form = form_class(data=given)
    try:
        form.is_valid(raise_exception=True)
    except ValidationError as error:
        raise ValidationError({"args": error.detail}) from None
    return dict(form.validated_data)
