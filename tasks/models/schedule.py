"""Schedules: tasks that come in by the clock, and what became of each time they were due."""

import re
import uuid
from typing import ClassVar, Final

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from tasks import names
from tasks.models.task import PROMPT_LENGTH, TITLE_LENGTH

CRON_LENGTH: Final = 200
ZONE_LENGTH: Final = 64
SHORTEST_INTERVAL_SECONDS: Final = 1
FREQUENT_SECONDS: Final = 60
"""A schedule that comes again before so much time is over counts as a frequent one."""
# Six fields, of which the first, the seconds, is more than one number.
_FREQUENT_CRON: Final = r"^(?![0-9]+ )([^ ]+ ){5}[^ ]+$"
LONGEST_INTERVAL_SECONDS: Final = 31_536_000
LONGEST_WINDOW_SECONDS: Final = 2_592_000


class Timing(models.TextChoices):
    """What decides when a schedule is due."""

    CRON = "cron", "a cron expression"
    INTERVAL = "interval", "every so many seconds"
    ONCE = "once", "one time"


class OverlapPolicy(models.TextChoices):
    """What happens when a schedule is due while a task of it is unfinished."""

    SKIP = "skip", "leave this time out"
    QUEUE = "queue", "let the new task wait for the others"
    CANCEL_OLDER = "cancel_older", "cancel the others"
    ALLOW = "allow", "let them run side by side"


class CatchUpPolicy(models.TextChoices):
    """What happens to times that went by while nothing could fire."""

    NONE = "none", "leave them out"
    LAST = "last", "make up for the last one"
    ALL = "all", "make up for all of them"


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    def existing(self) -> "ScheduleQuerySet":
        return self.filter(deleted_at__isnull=True)

    def frequent(self) -> "ScheduleQuerySet":
        """Those of which `is_frequent` is true."""
        return self.filter(Q(every_seconds__lt=FREQUENT_SECONDS) | Q(cron__regex=_FREQUENT_CRON))

    def due(self) -> "ScheduleQuerySet":
        """Whose next time has come, and whose owner may still sign in."""
        return self.existing().filter(is_paused=False, next_due_at__lte=Now(), owner__is_active=True)


class Schedule(models.Model):
    """When which prompt goes to which agent. A deleted schedule stays behind the history of its tasks."""

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="schedules")
    name = models.CharField(max_length=names.NAME_LENGTH, validators=[names.agent_name])
    timing = models.CharField(max_length=8, choices=Timing.choices)
    cron = models.CharField(
        max_length=CRON_LENGTH, blank=True, help_text="Five fields, or six that begin with seconds."
    )
    every_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(SHORTEST_INTERVAL_SECONDS), MaxValueValidator(LONGEST_INTERVAL_SECONDS)],
        help_text="Counted from `starts_at`, so a late start does not move the later ones.",
    )
    starts_at = models.DateTimeField(
        help_text="Not due before this time; of an interval the first time, of a one-time schedule the only one."
    )
    zone = models.CharField(
        max_length=ZONE_LENGTH, default="UTC", db_default="UTC", help_text="The IANA time zone of the cron expression."
    )
    agent = models.ForeignKey("tasks.Agent", on_delete=models.PROTECT, related_name="schedules")
    queue = models.ForeignKey(
        "tasks.Queue",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="schedules",
        help_text="Empty: the agent's.",
    )
    prompt = models.TextField()
    title = models.CharField(max_length=TITLE_LENGTH, blank=True, default="")
    order = models.IntegerField(default=0)
    input = models.JSONField(null=True, blank=True)
    overlap_policy = models.CharField(max_length=16, choices=OverlapPolicy.choices, default=OverlapPolicy.SKIP)
    catch_up_policy = models.CharField(max_length=8, choices=CatchUpPolicy.choices, default=CatchUpPolicy.LAST)
    catch_up_seconds = models.PositiveIntegerField(
        default=86_400,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_WINDOW_SECONDS)],
        help_text="How old a time may be to be made up for.",
    )
    is_paused = models.BooleanField(default=False)
    next_due_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="Empty when there is none.")
    make_up_until_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Up to here all times from `next_due_at` on fire, as was decided when a gap was found.",
    )
    last_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_fired_at = models.DateTimeField(null=True, blank=True, editable=False)
    warning = models.CharField(
        max_length=16,
        blank=True,
        editable=False,
        help_text="late, missed or failed: what went wrong lately; empty again after the next time that went well.",
    )
    warned_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        db_table = "schedules"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["owner", "id"], name="schedules_of_owner"),
            models.Index(
                fields=["next_due_at"],
                condition=Q(deleted_at__isnull=True, is_paused=False, next_due_at__isnull=False),
                name="schedules_due",
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                condition=Q(deleted_at__isnull=True),
                name="schedule_name_unique_per_owner",
                violation_error_message="You already have a schedule of this name.",
            ),
            models.CheckConstraint(
                condition=Q(timing="cron", every_seconds__isnull=True) & ~Q(cron="")
                | Q(timing="interval", cron="", every_seconds__isnull=False)
                | Q(timing="once", cron="", every_seconds__isnull=True),
                name="schedule_timing_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(every_seconds__isnull=True)
                | Q(every_seconds__gte=SHORTEST_INTERVAL_SECONDS, every_seconds__lte=LONGEST_INTERVAL_SECONDS),
                name="schedule_interval_in_range",
            ),
            models.CheckConstraint(
                condition=Q(prompt__length__gte=1, prompt__length__lte=PROMPT_LENGTH), name="schedule_prompt_length"
            ),
            models.CheckConstraint(
                condition=Q(overlap_policy__in=OverlapPolicy.values, catch_up_policy__in=CatchUpPolicy.values),
                name="schedule_policies_known",
            ),
            models.CheckConstraint(
                condition=Q(catch_up_seconds__gte=1, catch_up_seconds__lte=LONGEST_WINDOW_SECONDS),
                name="schedule_window_in_range",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_frequent(self) -> bool:
        """Whether it comes again within less than a minute, at some time or always."""
        if self.every_seconds is not None:
            return self.every_seconds < FREQUENT_SECONDS
        return re.search(_FREQUENT_CRON, self.cron) is not None


class FireOutcome(models.TextChoices):
    """What became of a time at which a schedule was due."""

    FIRED = "fired", "a task came in"
    SKIPPED = "skipped", "an earlier task was unfinished"
    MISSED = "missed", "nothing could fire then"
    FAILED = "failed", "the task was refused"


class ScheduleFire(models.Model):
    """One time at which a schedule was due, or was run by hand. No time stands here twice, so none fires twice."""

    id = models.BigAutoField(primary_key=True)
    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="fires", editable=False)
    due_at = models.DateTimeField(editable=False)
    until_at = models.DateTimeField(
        null=True, editable=False, help_text="Of several missed ones the last; `due_at` is the first."
    )
    count = models.PositiveIntegerField(
        default=1, editable=False, help_text="How many missed times the row stands for."
    )
    is_manual = models.BooleanField(default=False, editable=False)
    outcome = models.CharField(max_length=8, choices=FireOutcome.choices, editable=False)
    code = models.CharField(max_length=64, blank=True, editable=False, help_text="Why it was skipped or failed.")
    drift_seconds = models.FloatField(default=0, editable=False, help_text="How much later than due it fired.")
    task = models.ForeignKey(
        "tasks.Task", on_delete=models.CASCADE, null=True, editable=False, related_name="schedule_fires"
    )
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "schedule_fires"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["schedule", "id"], name="schedule_fires_of_schedule")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["schedule", "due_at"], condition=Q(is_manual=False), name="schedule_fires_once_for_each_time"
            ),
            models.CheckConstraint(condition=Q(count__gte=1), name="schedule_fire_counts"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} at {self.due_at}"
