"""Fields, and what forms have in common."""

from typing import Any, Final
from urllib.parse import urlencode
from uuid import uuid4

from django import forms
from django.db.models import Model

from accounts.models import User
from personalq.lib.errors import AppError
from personalq.lib.fields import LARGEST_INTEGER
from tasks import access
from tasks.models import Agent, Queue

_UNITS: Final = {"ms", "seconds", "bytes"}


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


class QueueField(forms.ModelChoiceField[Queue]):
    """A queue that somebody's tasks may use, by its public id. `offer_to` fills it."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("empty_label", None)
        super().__init__(queryset=Queue.objects.none(), to_field_name="uuid", **options)

    def offer_to(self, owner: User) -> None:
        """Let the owner's queues and the shared ones be chosen."""
        field: Any = self
        field.queryset = access.queues_of(owner).order_by("owner_id", "name")

    def label_from_instance(self, obj: Queue) -> str:
        shared = " (shared)" if obj.is_shared else ""
        return f"{obj.name}{shared}"


class AnswerableForm(forms.Form):
    """A form that can also show what the product answered to its values."""

    def take(self, error: AppError) -> None:
        """Show an error at the fields that it names, or above all of them."""
        for each in error.errors:
            self.add_error(each.field if each.field in self.fields else None, each.message)
        if not error.errors:
            self.add_error(None, f"{error.title} {error.detail}")


class OnceForm(AnswerableForm):
    """A form that is carried out once, however often it is sent."""

    # New in each form that is shown: a form that comes twice is known by it.
    form_key = forms.UUIDField(
        required=False,
        initial=uuid4,
        widget=forms.HiddenInput,
        error_messages={"invalid": "Reload the page and fill in the form again."},
    )

    @property
    def typed(self) -> bytes:
        """Everything that was filled in, as one text."""
        return urlencode([(name, self.data.get(name, "")) for name in self.fields]).encode()


def order_field(*, is_required: bool) -> forms.IntegerField:
    """Where a task stands in line."""
    return forms.IntegerField(
        min_value=-LARGEST_INTEGER - 1,
        max_value=LARGEST_INTEGER,
        required=is_required,
        initial=0,
        help_text="Lower runs first.",
    )


def limit_field(model: type[Model], name: str) -> forms.Field:
    """A whole number with the bounds, the default and the words of a model's field."""
    field: Any = model._meta.get_field(name)
    bounds = {each.code: each.limit_value for each in field.validators if each.code in {"min_value", "max_value"}}
    return forms.IntegerField(
        label=label_of(name),
        required=not field.null,
        initial=field.default if field.has_default() else None,
        help_text=field.help_text,
        **bounds,
    )


def label_of(name: str) -> str:
    """A field's name as words, with its unit in parentheses."""
    words, _, unit = name.rpartition("_")
    text = f"{words} ({unit})" if unit in _UNITS else name
    return text.replace("_", " ").capitalize()
