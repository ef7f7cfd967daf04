"""What may be spent, and what was: tokens and money."""

import uuid
from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class BudgetScope(models.TextChoices):
    """For how long a budget has to last."""

    ATTEMPT = "attempt", "one attempt"
    TASK = "task", "one task with all its attempts"
    MONTH = "month", "one calendar month (UTC)"
    TOTAL = "total", "for ever"


class Budget(models.Model):
    """A limit for what one agent, or all agents of a user together, may spend."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="budgets",
        help_text="Whose spending it limits.",
    )
    agent = models.ForeignKey(
        "tasks.Agent",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="budgets",
        help_text="Empty: all agents of the user together.",
    )
    scope = models.CharField(max_length=8, choices=BudgetScope.choices)
    token_limit = models.BigIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(10**15)],
        help_text="Tokens, in and out together. Empty: any number.",
    )
    cost_limit = models.DecimalField(
        max_digits=14,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.000001"))],
        help_text="US dollars. Empty: any sum.",
    )
    is_by_operator = models.BooleanField(
        db_default=False, default=False, help_text="Set by the operators: the user sees it and cannot change it."
    )
    warned_for = models.CharField(
        max_length=16,
        blank=True,
        db_default="",
        default="",
        editable=False,
        help_text="The period for which somebody was warned that 80 % are spent.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "budgets"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "agent", "scope", "is_by_operator"],
                nulls_distinct=False,
                name="budget_unique",
                violation_error_message="There is a budget like this already. Change that one.",
            ),
            models.CheckConstraint(
                condition=Q(token_limit__gte=1) | Q(token_limit__isnull=True), name="budget_tokens_positive"
            ),
            models.CheckConstraint(
                condition=Q(cost_limit__gt=0) | Q(cost_limit__isnull=True), name="budget_cost_positive"
            ),
            models.CheckConstraint(
                condition=Q(token_limit__isnull=False) | Q(cost_limit__isnull=False), name="budget_limits_something"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_scope_display()} of {self.agent or self.owner}"


class Spending(models.Model):
    """What an agent spent in a month, and what its running attempts may still spend. `tasks.spending` keeps it."""

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="spending")
    agent = models.ForeignKey("tasks.Agent", on_delete=models.PROTECT, related_name="spending")
    month = models.DateField(help_text="Its first day.")
    tokens = models.BigIntegerField(db_default=0, default=0)
    cost = models.DecimalField(max_digits=18, decimal_places=6, db_default=0, default=0)
    tokens_reserved = models.BigIntegerField(db_default=0, default=0)
    cost_reserved = models.DecimalField(max_digits=18, decimal_places=6, db_default=0, default=0)

    class Meta:
        db_table = "spending"
        verbose_name_plural = "spending"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "agent", "month"], name="spending_unique"),
            models.CheckConstraint(
                condition=Q(tokens__gte=0, cost__gte=0, tokens_reserved__gte=0, cost_reserved__gte=0),
                name="spending_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"agent {self.agent_id} in {self.month}"


class AttemptSpending(models.Model):
    """What one attempt reserved before it started, and what it has spent so far or in the end."""

    id = models.BigAutoField(primary_key=True)
    task = models.ForeignKey("tasks.Task", on_delete=models.CASCADE, related_name="attempt_spending")
    attempt = models.PositiveIntegerField()
    spending = models.ForeignKey(Spending, on_delete=models.PROTECT, related_name="attempts")
    tokens_reserved = models.BigIntegerField(db_default=0, default=0)
    cost_reserved = models.DecimalField(max_digits=14, decimal_places=6, db_default=0, default=0)
    tokens_in = models.BigIntegerField(db_default=0, default=0)
    tokens_out = models.BigIntegerField(db_default=0, default=0)
    cost = models.DecimalField(
        max_digits=14, decimal_places=6, null=True, blank=True, help_text="Empty: nobody knows the price."
    )
    settled_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "attempt_spending"
        verbose_name_plural = "attempt spending"
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=Q(settled_at__isnull=True), name="attempt_spending_open")
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["task", "attempt"], name="spending_once_per_attempt"),
            models.CheckConstraint(
                condition=Q(tokens_reserved__gte=0, cost_reserved__gte=0, tokens_in__gte=0, tokens_out__gte=0),
                name="attempt_spending_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.attempt} of task {self.task_id}"
