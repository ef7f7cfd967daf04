"""Agents: who carries a task out, and within which limits."""

import uuid
from datetime import datetime
from typing import ClassVar, Final

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from tasks import names

EXTERNAL: Final = "external"
"""The kind of agents whose tasks are taken by workers outside; ours pass them over."""


class UntrustedPolicy(models.TextChoices):
    """What happens to a task of which a part came from outside and looks like an attempt to take the agent over."""

    ALLOW = "allow", "run it, nobody looks"
    FLAG = "flag", "run it and mark it"
    HOLD = "hold", "wait for somebody's approval"
    REFUSE = "refuse", "do not let it in"


def _within(field: str, highest: int) -> models.Q:
    return models.Q((f"{field}__isnull", True)) | models.Q((f"{field}__gte", 1), (f"{field}__lte", highest))


class AgentQuerySet(models.QuerySet["Agent"]):
    def existing(self) -> "AgentQuerySet":
        return self.filter(deleted_at__isnull=True)

    def sharing_account_with(self, agent: "Agent") -> "AgentQuerySet":
        """The agent and those of its owner that spend the same account: those with its key, or with its command.

        Agents of other owners stay out even when they run it too: what a program says may not stop strangers.
        """
        if agent.credential_id is not None:
            return self.filter(owner_id=agent.owner_id, credential_id=agent.credential_id)
        command = agent.config.get("command")
        if command is None:
            return self.filter(pk=agent.pk)
        return self.filter(owner_id=agent.owner_id, kind=agent.kind, config__command=command)

    def not_held_beyond(self, until: datetime) -> "AgentQuerySet":
        """Those whose hold, if there is one, ends before `until`."""
        return self.filter(models.Q(held_until_at__isnull=True) | models.Q(held_until_at__lt=until))


class Agent(models.Model):
    """A named configuration owned by a user. A deleted agent stays as the history of its tasks."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="agents")
    name = models.CharField(max_length=names.NAME_LENGTH, validators=[names.agent_name])
    description = models.CharField(max_length=500, blank=True)
    kind = models.CharField(max_length=16, help_text="Which runner carries its tasks out.")
    queue = models.ForeignKey("tasks.Queue", on_delete=models.PROTECT, related_name="agents")
    config = models.JSONField(default=dict, blank=True, help_text="The kind's own fields.")
    credential = models.ForeignKey(
        "accounts.Credential",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="agents",
        help_text="The key with which it works.",
    )
    untrusted_policy = models.CharField(
        max_length=8,
        choices=UntrustedPolicy.choices,
        db_default=UntrustedPolicy.HOLD,
        default=UntrustedPolicy.HOLD,
        help_text="What happens to text from outside that looks like an attempt to take the agent over.",
    )
    needs_approval = models.BooleanField(
        db_default=False, default=False, help_text="Whether each of its tasks waits for somebody's approval."
    )
    concurrency_limit = models.PositiveIntegerField(
        db_default=10,
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(10_000)],
        help_text="How many tasks of this agent may run at once, over all queues.",
    )
    timeout_seconds = models.PositiveIntegerField(
        db_default=600,
        default=600,
        validators=[MinValueValidator(1), MaxValueValidator(86_400)],
        help_text="How long one attempt may take.",
    )
    output_limit_bytes = models.PositiveIntegerField(
        db_default=1_048_576,
        default=1_048_576,
        validators=[MinValueValidator(1_024), MaxValueValidator(10_485_760)],
        help_text="How much output one attempt may produce.",
    )
    max_attempts = models.PositiveSmallIntegerField(
        db_default=3,
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(20)],
        help_text="How often a task may be tried before it counts as failed.",
    )
    retry_base_seconds = models.PositiveIntegerField(
        db_default=2,
        default=2,
        validators=[MinValueValidator(1), MaxValueValidator(3_600)],
        help_text="The wait before the second try. It doubles with each further one.",
    )
    retry_cap_seconds = models.PositiveIntegerField(
        db_default=300,
        default=300,
        validators=[MinValueValidator(1), MaxValueValidator(86_400)],
        help_text="The longest wait between two tries.",
    )
    idle_timeout_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(86_400)],
        help_text="How long an attempt may say nothing. Empty: as long as it may take.",
    )
    waiting_timeout_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(31_536_000)],
        help_text="How long a task may wait for its start once it is due. Empty: for ever.",
    )
    is_paused = models.BooleanField(db_default=False, default=False)
    held_until_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="The provider's limit: nothing starts before this time."
    )
    held_code = models.CharField(max_length=64, blank=True, db_default="", default="", editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = AgentQuerySet.as_manager()

    class Meta:
        db_table = "agents"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["owner", "id"], name="agents_of_owner")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                condition=models.Q(deleted_at__isnull=True),
                name="agent_name_unique_per_owner",
                violation_error_message="You already have an agent of this name.",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    concurrency_limit__gte=1,
                    concurrency_limit__lte=10_000,
                    timeout_seconds__gte=1,
                    timeout_seconds__lte=86_400,
                    output_limit_bytes__gte=1_024,
                    output_limit_bytes__lte=10_485_760,
                    max_attempts__gte=1,
                    max_attempts__lte=20,
                ),
                name="agent_limits_in_range",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    retry_base_seconds__gte=1,
                    retry_base_seconds__lte=3_600,
                    retry_cap_seconds__gte=1,
                    retry_cap_seconds__lte=86_400,
                )
                & _within("idle_timeout_seconds", 86_400)
                & _within("waiting_timeout_seconds", 31_536_000),
                name="agent_waits_in_range",
            ),
        ]

    def __str__(self) -> str:
        return self.name
