"""The forms of a webhook endpoint."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from django import forms

from personalq.lib.names import NAME_LENGTH
from realtime.forms.fields import AnswerableForm, SingleLineField
from tasks import events
from webhooks.models.endpoint import URL_LENGTH
from webhooks.outbound.kinds import OFFERED

USUAL: Final = (events.COMPLETED, events.FAILED, events.CANCELLED, events.APPROVAL_REQUESTED)
OVERLAPS: Final = (
    (0, "end it at once"),
    (3600, "an hour"),
    (24 * 3600, "a day"),
    (3 * 24 * 3600, "3 days"),
    (7 * 24 * 3600, "7 days"),
)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A box to be ticked."""

    kind: str
    is_ticked: bool

    @property
    def id(self) -> str:
        """The id of the box in the page."""
        return f"id_kind_{self.kind}"


class EndpointForm(AnswerableForm):
    """What an endpoint is called, where it is and what it gets."""

    name = SingleLineField(max_length=NAME_LENGTH, help_text="You will know it by this. Unique among yours.")
    target_url = SingleLineField(
        label="Address",
        max_length=URL_LENGTH,
        widget=forms.TextInput(attrs={"inputmode": "url", "spellcheck": "false", "autocapitalize": "none"}),
        help_text="https and a public host, such as https://hooks.example.com/personal-q.",
    )
    kinds = forms.MultipleChoiceField(
        choices=[(each, each) for each in OFFERED],
        initial=USUAL,
        error_messages={"required": "Choose at least one kind of event."},
    )

    def groups(self) -> Iterator[tuple[str, list[Choice]]]:
        """The boxes, gathered by what they are about."""
        ticked: Any = self["kinds"].value() or ()
        boxes = [Choice(kind=kind, is_ticked=kind in ticked) for kind in OFFERED]
        for noun, found in groupby(boxes, key=lambda box: box.kind.partition("_")[0]):
            yield f"{noun.capitalize()}s", list(found)


class RotationForm(AnswerableForm):
    """For how long the old secret signs, too."""

    keep_old_seconds = forms.TypedChoiceField(
        label="The old secret goes on signing for",
        choices=OVERLAPS,
        coerce=int,
        initial=24 * 3600,
        help_text="So long every delivery carries both signatures, and the receiver can change over.",
    )
