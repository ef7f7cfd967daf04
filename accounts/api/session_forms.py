"""Answers of the routes of sign-ins."""

from typing import Any

from rest_framework import serializers

from accounts.models import TokenFamily


class Session(serializers.Serializer[Any]):
    """A sign-in that goes on: a browser's session, or the tokens of a program that signed in with a password."""

    uuid = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=TokenFamily.Kind.choices, help_text="`page`: a browser; `api`: tokens.")
    is_this_one = serializers.BooleanField(help_text="Whether this request came by it.")
    address = serializers.CharField(help_text="From where it began; empty when that is not known.")
    user_agent = serializers.CharField(help_text="What the client called itself. Nobody has checked that.")
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")
    expires_at = serializers.DateTimeField()
    url = serializers.URLField()


class SessionPage(serializers.Serializer[Any]):
    """Sign-ins that go on, newest first."""

    results = Session(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page; null on the last one.")
    previous = serializers.URLField(allow_null=True)


class EndedSessions(serializers.Serializer[Any]):
    """What was ended."""

    ended = serializers.IntegerField(help_text="How many sign-ins.")
