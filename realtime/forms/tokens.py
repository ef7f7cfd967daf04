"""The form of a new personal token."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from django import forms

from accounts import scopes
from accounts.tokens.personal_tokens import DEFAULT_DAYS
from personalq.lib.names import NAME_LENGTH
from realtime.forms.fields import AnswerableForm, SingleLineField

LIVES: Final = ((7, "a week"), (30, "30 days"), (DEFAULT_DAYS, "90 days"), (180, "180 days"), (366, "a year"))


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A box to be ticked."""

    scope: str
    sentence: str
    is_ticked: bool

    @property
    def id(self) -> str:
        """The id of the box in the page."""
        return f"id_scope_{self.scope.replace(':', '_')}"


class TokenForm(AnswerableForm):
    """What a token is for, what it may do and for how long."""

    name = SingleLineField(
        max_length=NAME_LENGTH,
        help_text="What it is for, such as “laptop” or “build server”. You will know it by this.",
    )
    expires_in_days = forms.TypedChoiceField(
        label="Good for",
        choices=LIVES,
        coerce=int,
        initial=DEFAULT_DAYS,
        help_text="Nobody can prolong it. Shorter is safer: make a new one in time.",
    )
    scopes = forms.MultipleChoiceField(
        choices=[(each, each) for each in scopes.ALL],
        error_messages={"required": "Choose at least one thing that the token may do."},
    )

    def groups(self) -> Iterator[tuple[str, list[Choice]]]:
        """The boxes, gathered by what they are about."""
        ticked: Any = self["scopes"].value() or ()
        boxes = [Choice(scope=name, sentence=text, is_ticked=name in ticked) for name, text in scopes.SENTENCES.items()]
        for noun, found in groupby(boxes, key=lambda box: box.scope.partition(":")[0]):
            yield noun.capitalize(), list(found)
