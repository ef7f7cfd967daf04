"""The forms of the pages. The rules about values are those of the API; forms repeat them for browsers."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from django import forms
from django.conf import settings
from django.core.validators import MinValueValidator
from rest_framework import serializers

from accounts.models import User
from personalq.lib.errors import AppError
from personalq.lib.fields import LARGEST_INTEGER
from tasks import access
from tasks.models import PROMPT_LENGTH, TITLE_LENGTH, Agent, Queue
from tasks.names import NAME_LENGTH
from tasks.runners import RUNNERS

_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = {"ms", "seconds", "bytes"}
_LIMITS: Final = ("concurrency_limit", "timeout_seconds", "output_limit_bytes", "max_attempts")


class PlainCharField(forms.CharField):
    """Text as it was typed. A maxlength in the page would cut pasted text without a word."""

    default_error_messages = {"blank": "Write something; this may not be empty."}

    def __init__(self, *, max_length: int, **options: Any) -> None:
        super().__init__(max_length=max_length, strip=False, **options)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        attributes: dict[str, Any] = super().widget_attrs(widget)
        attributes.pop("maxlength", None)
        return attributes

    def to_python(self, value: Any) -> str:
        # Browsers send every line break as CRLF, whatever was typed.
        return str(super().to_python(value)).replace("\r\n", "\n")

    def validate(self, value: Any) -> None:
        super().validate(value)
        if self.required and not value.strip():
            raise forms.ValidationError(self.error_messages["blank"], code="blank")


class SingleLineField(PlainCharField):
    """One line without control characters."""

    default_error_messages = {"single_line": "Use one line without control characters."}

    def validate(self, value: Any) -> None:
        super().validate(value)
        if any(not character.isprintable() for character in value):
            raise forms.ValidationError(self.error_messages["single_line"], code="single_line")


class OwnAgentField(forms.ModelChoiceField[Agent]):
    """One of somebody's agents, by its public id."""

    def __init__(self, **options: Any) -> None:
        super().__init__(queryset=Agent.objects.none(), to_field_name="uuid", empty_label="Choose an agent", **options)


class AnswerableForm(forms.Form):
    """A form that can also show what the product answered to its values."""

    def take(self, error: AppError) -> None:
        """Show an error at the fields that it names, or above all of them."""
        for each in error.errors:
            self.add_error(each.field if each.field in self.fields else None, each.message)
        if not error.errors:
            self.add_error(None, f"{error.title} {error.detail}")


class TaskForm(AnswerableForm):
    """A prompt to queue."""

    agent = OwnAgentField(error_messages={"invalid_choice": "Choose one of your agents."})
    prompt = PlainCharField(
        max_length=PROMPT_LENGTH,
        widget=forms.Textarea(attrs={"rows": 10, "class": "prompt-field"}),
        help_text="What the agent shall do.",
    )
    title = SingleLineField(
        max_length=TITLE_LENGTH, required=False, help_text="Without one, lists show how the prompt begins."
    )
    order = forms.IntegerField(
        min_value=-LARGEST_INTEGER - 1,
        max_value=LARGEST_INTEGER,
        required=False,
        initial=0,
        help_text="Lower runs first.",
    )
    not_before_at = forms.DateTimeField(
        label="Not before (UTC)",
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        validators=[MinValueValidator(_EARLIEST, "Choose a time after 1970.")],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="It waits until then. The time is in UTC.",
    )
    is_backlogged = forms.BooleanField(
        label="Put into the backlog", required=False, help_text="It does not run until you release it."
    )

    def __init__(self, user: User, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field: Any = self.fields["agent"]
        field.queryset = access.agents_of(user).order_by("name")


class AgentForm(AnswerableForm):
    """What agents of every kind have, and below it the fields of one kind."""

    COMMON: ClassVar = ("name", "description", *_LIMITS)

    name = SingleLineField(max_length=NAME_LENGTH, help_text="Unique among yours.")
    description = SingleLineField(max_length=500, required=False)
    queue: forms.ModelChoiceField[Queue] = forms.ModelChoiceField(
        queryset=Queue.objects.none(),
        to_field_name="uuid",
        empty_label=None,
        help_text="Where its tasks wait for their turn.",
    )

    def __init__(self, kind: str, owner: User, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        queue: Any = self.fields["queue"]
        queue.queryset = access.queues_of(owner).order_by("owner_id", "name")
        for name in _LIMITS:
            self.fields[name] = _limit_field(name)
        self.own_names = self._add_own_fields(kind)

    @property
    def limits(self) -> Iterable[forms.BoundField]:
        return [self[name] for name in _LIMITS]

    @property
    def own(self) -> Iterable[forms.BoundField]:
        """The fields of the kind."""
        return [self[name] for name in self.own_names]

    @property
    def common_values(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if name not in self.own_names}

    @property
    def config(self) -> dict[str, Any]:
        """The kind's fields as the API would get them: what was left empty is left out."""
        values = {name: self.cleaned_data[name] for name in self.own_names}
        return {name: value for name, value in values.items() if value not in (None, "", [])}

    def _add_own_fields(self, kind: str) -> list[str]:
        if kind not in RUNNERS:
            return []
        made = {name: _own_field(name, field) for name, field in RUNNERS[kind].config_class().fields.items()}
        self.fields.update(made)
        return list(made)


def _limit_field(name: str) -> forms.Field:
    model_field: Any = Agent._meta.get_field(name)
    bounds = {each.code: each.limit_value for each in model_field.validators if each.code in {"min_value", "max_value"}}
    return forms.IntegerField(
        label=_label(name), initial=model_field.default, help_text=model_field.help_text, **bounds
    )


def _own_field(name: str, field: serializers.Field[Any, Any, Any, Any]) -> forms.Field:
    """A kind's field as the browser can show it; what it cannot is a mistake of whoever wrote the runner."""
    common: dict[str, Any] = {
        "label": _label(name),
        "required": field.required,
        "help_text": field.help_text or "",
    }
    if name == "command":
        return forms.ChoiceField(
            choices=[("", "Choose a command"), *((each, each) for each in allowed_commands())], **common
        )
    if isinstance(field, serializers.IntegerField):
        return forms.IntegerField(min_value=field.min_value, max_value=field.max_value, **common)
    if isinstance(field, serializers.CharField):
        return SingleLineField(max_length=field.max_length or NAME_LENGTH, **common)
    raise TypeError(f"no form field for {name!r} of type {type(field).__name__}")


def allowed_commands() -> list[str]:
    """The names of the programs that the operator allows."""
    return sorted(settings.PERSONALQ_COMMANDS)


def _label(name: str) -> str:
    words, _, unit = name.rpartition("_")
    text = f"{words} ({unit})" if unit in _UNITS else name
    return text.replace("_", " ").capitalize()
