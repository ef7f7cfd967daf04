"""Doors: addresses by which other systems bring work in, each with a secret of its own."""

import uuid
from typing import ClassVar, Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from personalq.lib import sealing
from personalq.lib.names import NAME_LENGTH, plain_name
from tasks.models.task import PROMPT_LENGTH
from webhooks.models.rotation import RotatedSecret, RotatedSecretQuerySet

DIGEST_FORM: Final = r"^[0-9a-f]{64}$"
HEADER_LENGTH: Final = 64
TITLE_TEMPLATE_LENGTH: Final = 200
KEY_LENGTH: Final = 64


class DoorKind(models.TextChoices):
    """What comes in by a door, and how it proves where it is from."""

    TELEGRAM = "telegram", "Telegram bot"
    AGENT_TOOLS = "agent-tools", "Tools of an ElevenLabs agent"
    ELEVENLABS = "elevenlabs", "Calls of an ElevenLabs agent"
    STANDARD = "standard", "Standard Webhooks"
    GITHUB = "github", "GitHub"
    GITLAB = "gitlab", "GitLab"
    HMAC = "hmac", "Signed by an HMAC of the body"


class Door(models.Model):
    """One way in. It belongs to who made it, and so does what comes in by it."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="doors")
    name = models.CharField(max_length=NAME_LENGTH, validators=[plain_name])
    kind = models.CharField(max_length=16, choices=DoorKind.choices, editable=False)
    is_open = models.BooleanField(default=True, help_text="A closed door answers like one with a wrong secret.")
    agent = models.ForeignKey(
        "tasks.Agent",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="doors",
        help_text="Who works on what comes in. Of a Telegram bot each linked account chooses its own.",
    )
    queue = models.ForeignKey(
        "tasks.Queue",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="doors",
        help_text="Empty: the agent's.",
    )
    instruction = models.TextField(
        blank=True, help_text="What the agent is to do with what comes in: your own words, without placeholders."
    )
    template = models.TextField(
        blank=True, help_text="What the agent gets of a payload, such as {{ issue.title }}. Empty: all of it."
    )
    title_template = models.CharField(max_length=TITLE_TEMPLATE_LENGTH, blank=True)
    signature_header = models.CharField(max_length=HEADER_LENGTH, blank=True)
    signature_prefix = models.CharField(max_length=HEADER_LENGTH, blank=True, help_text="Such as sha256=")
    signature_digest = models.CharField(
        max_length=8, blank=True, choices=[("sha256", "SHA-256"), ("sha512", "SHA-512")]
    )
    signature_encoding = models.CharField(max_length=8, blank=True, choices=[("hex", "hex"), ("base64", "base64")])
    timestamp_header = models.CharField(
        max_length=HEADER_LENGTH, blank=True, help_text="Seconds since 1970; signed in front of the body with a dot."
    )
    id_header = models.CharField(max_length=HEADER_LENGTH, blank=True, help_text="What is new by it counts once.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_refused_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "doors"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["owner", "id"], name="doors_of_owner")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "name"], name="door_name_unique_per_owner"),
            models.CheckConstraint(condition=Q(kind__in=DoorKind.values), name="door_kind_is_known"),
            models.CheckConstraint(
                condition=Q(kind=DoorKind.TELEGRAM) | Q(agent__isnull=False), name="door_has_an_agent"
            ),
            models.CheckConstraint(
                condition=Q(instruction__length__lte=PROMPT_LENGTH, template__length__lte=PROMPT_LENGTH),
                name="door_texts_are_bounded",
            ),
            models.CheckConstraint(
                condition=~Q(kind=DoorKind.HMAC)
                | ~Q(signature_header="") & ~Q(signature_digest="") & ~Q(signature_encoding=""),
                name="door_signature_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class DoorSecretQuerySet(RotatedSecretQuerySet["DoorSecret"]):
    """Adjectives for secrets of doors."""


class DoorSecret(RotatedSecret):
    """What a sender proves itself with. No two doors have the same one, so none opens another's door."""

    door = models.ForeignKey(Door, on_delete=models.CASCADE, related_name="secrets", editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="Keyed digest, to find equal ones.")

    objects = DoorSecretQuerySet.as_manager()

    class Meta:
        db_table = "door_secrets"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["door"], condition=Q(valid_until_at__isnull=True), name="door_has_one_present_secret"
            ),
            models.CheckConstraint(condition=Q(digest__regex=DIGEST_FORM), name="door_secret_is_digested"),
            models.CheckConstraint(condition=Q(sealed_secret__regex=sealing.FORM), name="door_secret_is_sealed"),
        ]


class Outcome(models.TextChoices):
    """What became of a request that proved where it is from."""

    TASK = "task", "brought a task in"
    DONE = "done", "was carried out"
    IGNORED = "ignored", "asked for nothing that this door does"
    REFUSED = "refused", "was understood and refused"


class InboundRequest(models.Model):
    """A request that was let in, remembered so that it counts once."""

    id = models.BigAutoField(primary_key=True)
    door = models.ForeignKey(Door, on_delete=models.CASCADE, related_name="requests", editable=False)
    key = models.CharField(
        max_length=KEY_LENGTH, editable=False, help_text="The sender's id of it, or a digest of what it sent."
    )
    digest = models.CharField(
        max_length=64, blank=True, default="", editable=False, help_text="Of what was signed, where the id is not."
    )
    outcome = models.CharField(max_length=8, choices=Outcome.choices, editable=False)
    code = models.CharField(max_length=64, blank=True, editable=False)
    task = models.ForeignKey(
        "tasks.Task", on_delete=models.SET_NULL, null=True, editable=False, related_name="inbound_requests"
    )
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "inbound_requests"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["at"], name="inbound_requests_by_age")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["door", "key"], name="inbound_request_counts_once"),
            models.UniqueConstraint(
                fields=["door", "digest"], condition=~Q(digest=""), name="inbound_request_is_not_repeated"
            ),
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="inbound_outcome_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} #{self.pk}"
