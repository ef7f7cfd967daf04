"""Keys of other systems that agents work with."""

import uuid
from typing import ClassVar, Final

from django.db import models
from django.db.models.functions import Now

from accounts.models.user import User
from personalq.lib import sealing
from personalq.lib.names import NAME_LENGTH, plain_name

HINT_LENGTH: Final = 8
TEST_CODE_LENGTH: Final = 64


class Provider(models.TextChoices):
    """What a secret opens, and so what it looks like."""

    ANTHROPIC = "anthropic", "Anthropic API key"
    OPENAI = "openai", "API key of OpenAI or a compatible server"
    HTTP = "http", "Headers for HTTP requests"
    RUNNER = "runner", "Secret of a coding runner"
    COMMAND = "command", "Key for a command"
    ELEVENLABS = "elevenlabs", "ElevenLabs API key"


class Credential(models.Model):
    """A secret of a user. It is written and used, and never shown again."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="credentials")
    name = models.CharField(max_length=NAME_LENGTH, validators=[plain_name])
    provider = models.CharField(max_length=16, choices=Provider.choices)
    sealed_secret = sealing.SealedTextField()
    hint = models.CharField(max_length=HINT_LENGTH, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_test_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_test_ok = models.BooleanField(null=True, blank=True, editable=False)
    last_test_code = models.CharField(max_length=TEST_CODE_LENGTH, blank=True, editable=False)

    class Meta:
        db_table = "credentials"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["owner", "id"], name="credentials_of_owner")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "name"], name="credential_name_unique_per_owner"),
            models.CheckConstraint(
                condition=models.Q(provider__in=Provider.values), name="credential_provider_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(sealed_secret__regex=sealing.FORM), name="credential_secret_is_sealed"
            ),
            models.CheckConstraint(
                condition=models.Q(last_test_at__isnull=True, last_test_ok__isnull=True)
                | models.Q(last_test_at__isnull=False, last_test_ok__isnull=False),
                name="credential_test_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return self.name
