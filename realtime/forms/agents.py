"""The form of an agent."""

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from django import forms
from django.conf import settings
from rest_framework import serializers

from accounts.models import User
from realtime.forms.fields import AnswerableForm, QueueField, SingleLineField, label_of, limit_field
from tasks.models import Agent
from tasks.names import NAME_LENGTH
from tasks.runners import RUNNERS

_LIMITS: Final = (
    "concurrency_limit",
    "max_attempts",
    "timeout_seconds",
    "output_limit_bytes",
    "idle_timeout_seconds",
    "waiting_timeout_seconds",
    "retry_base_seconds",
    "retry_cap_seconds",
)


class AgentForm(AnswerableForm):
    """What agents of every kind have, and below it the fields of one kind."""

    COMMON: ClassVar = ("name", "description", *_LIMITS)

    name = SingleLineField(max_length=NAME_LENGTH, help_text="Unique among yours.")
    description = SingleLineField(max_length=500, required=False)
    queue = QueueField(help_text="Where its tasks wait for their turn.")

    def __init__(self, kind: str, owner: User, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        queue: Any = self.fields["queue"]
        queue.offer_to(owner)
        for name in _LIMITS:
            self.fields[name] = limit_field(Agent, name)
        self.own_names = self._add_own_fields(kind)

    @property
    def limits(self) -> Iterable[forms.BoundField]:
        return [self[name] for name in _LIMITS]

    @property
    def has_wrong_limits(self) -> bool:
        return any(self.has_error(name) for name in _LIMITS)

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


def _own_field(name: str, field: serializers.Field[Any, Any, Any, Any]) -> forms.Field:
    """A kind's field as the browser can show it; what it cannot is a mistake of whoever wrote the runner."""
    common: dict[str, Any] = {
        "label": label_of(name),
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
