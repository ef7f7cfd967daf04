"""Bodies of the sign-in routes."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.identity import Identity
from accounts.models import User
from accounts.scopes import ALL
from accounts.second_factor.step import MOST_CODE_CHARACTERS
from accounts.sign_in import MAX_PASSWORD_CHARACTERS, MAX_USERNAME_CHARACTERS
from accounts.tokens.signed_tokens import MAX_TOKEN_CHARACTERS
from personalq.lib.fields import StrictCharField, StrictSerializer


class SignInSerializer(StrictSerializer):
    """What a person proves their identity with. Empty values are simply wrong ones."""

    username = StrictCharField(max_length=MAX_USERNAME_CHARACTERS, allow_blank=True)
    password = StrictCharField(max_length=MAX_PASSWORD_CHARACTERS, allow_blank=True, write_only=True)
    code = StrictCharField(
        max_length=MOST_CODE_CHARACTERS,
        allow_blank=True,
        default="",
        write_only=True,
        help_text="The app's present code or a recovery code, for accounts with a second factor.",
    )


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
    scopes = serializers.SerializerMethodField(help_text="What the personal token may do; null after a sign-in: all.")
    expires_at = serializers.SerializerMethodField(help_text="When the token ends; null in a session.")

    @extend_schema_field({"type": ["array", "null"], "items": {"type": "string", "enum": list(ALL)}})
    def get_scopes(self, _: User) -> list[str] | None:
        identity: Identity | None = self.context["identity"]
        if identity is None or identity.scopes is None:
            return None
        return [each for each in ALL if each in identity.scopes]

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_expires_at(self, _: User) -> datetime | None:
        identity: Identity | None = self.context["identity"]
        return None if identity is None else identity.expires_at
