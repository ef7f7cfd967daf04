"""Bodies of the sign-in routes."""

from typing import Any

from rest_framework import serializers

from accounts.sign_in import MAX_PASSWORD_CHARACTERS, MAX_USERNAME_CHARACTERS
from accounts.tokens import MAX_TOKEN_CHARACTERS
from personalq.lib.fields import StrictCharField, StrictSerializer


class SignInSerializer(StrictSerializer):
    """What a person proves their identity with. Empty values are simply wrong ones."""

    username = StrictCharField(max_length=MAX_USERNAME_CHARACTERS, allow_blank=True)
    password = StrictCharField(max_length=MAX_PASSWORD_CHARACTERS, allow_blank=True, write_only=True)


class RefreshSerializer(StrictSerializer):
    """A refresh token."""

    refresh = StrictCharField(max_length=MAX_TOKEN_CHARACTERS)


class TokenPairSerializer(serializers.Serializer[Any]):
    """A new pair of tokens."""

    access = serializers.CharField(help_text="For `Authorization: Bearer <access>` and the socket.")
    refresh = serializers.CharField(help_text="Works once, at /auth/refresh. A second use ends the sign-in.")
    expires_at = serializers.DateTimeField(help_text="When the access token ends.")


class MeSerializer(serializers.Serializer[Any]):
    """Who you are."""

    uuid = serializers.UUIDField()
    username = serializers.CharField()
    is_operator = serializers.BooleanField(source="is_staff")
