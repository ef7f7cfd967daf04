"""Bodies, queries and answers of the routes of personal tokens."""

from typing import Any

from rest_framework import serializers

from accounts.models.personal_token import STATES
from accounts.scopes import ALL
from accounts.sign_in import MAX_USERNAME_CHARACTERS
from accounts.tokens.personal_tokens import DEFAULT_DAYS, LONGEST_DAYS
from personalq.lib.fields import (
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictListField,
    StrictSerializer,
)
from personalq.lib.names import NAME_LENGTH, plain_name
from personalq.lib.queries import ListQuery


class TokenQuery(ListQuery):
    """Whose tokens to list."""

    owner = StrictCharField(
        max_length=MAX_USERNAME_CHARACTERS,
        required=False,
        help_text="For operators: a user name, or `all`. Without it the list holds what is yours.",
    )


class PersonalTokenForm(StrictSerializer):
    """A new token."""

    name = StrictCharField(
        max_length=NAME_LENGTH,
        refuse_edge_space=True,
        single_line=True,
        validators=[plain_name],
        help_text="What it is for. Unique among your tokens that have not ended.",
    )
    scopes = StrictListField(
        child=StrictChoiceField(choices=ALL),
        min_length=1,
        max_length=len(ALL),
        help_text="What it may do; docs/api.md explains each one.",
    )
    expires_in_days = StrictIntegerField(
        min_value=1, max_value=LONGEST_DAYS, default=DEFAULT_DAYS, help_text="Nobody can prolong it later."
    )


class PersonalToken(serializers.Serializer[Any]):
    """A personal token. What it says is never part of an answer but of the one that made it."""

    uuid = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="How it begins.")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=ALL))
    state = serializers.ChoiceField(choices=STATES)
    owner = serializers.CharField(help_text="The owner's user name.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")
    revoked_at = serializers.DateTimeField(allow_null=True)
    revoked_reason = serializers.CharField(
        help_text="`owner`, `operator`, `deactivated` (its user was), `password` (there is a new one) or `expired` (a "
        "newer one has its name)."
    )
    url = serializers.URLField()


class NewPersonalToken(PersonalToken):
    """A personal token just made."""

    token = serializers.CharField(help_text="Keep it now: it is never shown again.")


class PersonalTokenPage(serializers.Serializer[Any]):
    """Personal tokens, newest first. Those that ended stay in the list for 90 days."""

    results = PersonalToken(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page; null on the last one.")
    previous = serializers.URLField(allow_null=True)
