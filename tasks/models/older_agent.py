"""What the older tools have made: an agent, or a prompt that comes again and again."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class OlderKind(models.TextChoices):
    """Which of the older tools' two nouns it is. Each has names of its own."""

    AGENT = "agent", "an agent"
    PROMPT = "prompt", "a recurring prompt"


class OlderAgent(models.Model):
    """What the older tools need to know of an agent or prompt that they made, beside what it is made of."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=8, choices=OlderKind.choices, editable=False)
    agent = models.ForeignKey("tasks.Agent", on_delete=models.CASCADE, related_name="older_agents", editable=False)
    schedule = models.ForeignKey(
        "tasks.Schedule", on_delete=models.CASCADE, null=True, related_name="older_agents", editable=False
    )
    schedule_text = models.JSONField(
        null=True, editable=False, help_text="The schedule in the words in which it was asked for."
    )
    timeout_milliseconds = models.PositiveIntegerField(default=30_000, editable=False)
    has_own_agent = models.BooleanField(
        default=True, editable=False, help_text="Whether the agent was made with it and goes with it."
    )
    made_queue = models.ForeignKey(
        "tasks.Queue",
        on_delete=models.SET_NULL,
        null=True,
        related_name="older_agents",
        editable=False,
        help_text="A queue that was made for it or for another one of these, and goes with the last of them.",
    )
    # No foreign key: whoever counts what uses a credential would count this beside the agent.
    made_credential = models.UUIDField(
        null=True, editable=False, help_text="The credential that was made for its secret headers, and goes with it."
    )
    secret_headers = models.JSONField(default=list, editable=False, help_text="The names of its secret headers.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "older_agents"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agent"], condition=Q(kind="agent"), name="older_agent_once_per_agent"),
            models.UniqueConstraint(
                fields=["schedule"], condition=Q(kind="prompt"), name="older_prompt_once_per_schedule"
            ),
            models.CheckConstraint(
                condition=Q(kind="agent", has_own_agent=True) | Q(kind="prompt", schedule__isnull=False),
                name="older_agent_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.agent}"
