"""Tasks: the queue of record. Column names and numbers are the older systems' own (docs/decisions/0002)."""

from datetime import timedelta
from typing import ClassVar, Final

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Length, Now

from tasks.states import FINISHED, UNFINISHED, Status

PROMPT_LENGTH: Final = 200_000
TITLE_LENGTH: Final = 200
CONCURRENCY_KEY_LENGTH: Final = 200
ORIGIN_LENGTH: Final = 200
REQUEST_ID_LENGTH: Final = 64

# A worker ends an attempt at its deadline by itself; only one that cannot is ended from outside.
OVERDUE_GRACE: Final = timedelta(seconds=30)

models.TextField.register_lookup(Length, "length")

DEAD: Final = Q(status=int(Status.FAILED), dead_at__isnull=False)
# Doors that know no users. Their tasks belong to the operators and run only while the task operator is on.
_OWNERLESS = ["sql", "import"]
_UNFINISHED = [int(status) for status in sorted(UNFINISHED)]
_FINISHED = [int(status) for status in sorted(FINISHED)]
_CHOICES = [(int(status), status.word) for status in Status]


class ConcurrencyPolicy(models.TextChoices):
    """What a new task does about others with its concurrency key. In each case only one of them runs at a time."""

    SINGLETON = "singleton", "wait for them"
    CANCEL_OLDER = "cancel_older", "cancel them"
    DROP_NEWER = "drop_newer", "do not come in"


class Source(models.TextChoices):
    """The door a task came in by."""

    API = "api"
    WEB = "web"
    MCP = "mcp"
    SCHEDULE = "schedule"
    IMPORT = "import"
    TELEGRAM = "telegram"
    VOICE = "voice"
    WEBHOOK = "webhook"
    SQL = "sql"


class TaskQuerySet(models.QuerySet["Task"]):
    def late(self) -> "TaskQuerySet":
        """Ready for longer than they may wait for their start."""
        return self.filter(status=Status.READY, start_by_at__lt=Now())

    def running(self) -> "TaskQuerySet":
        return self.filter(status=Status.RUNNING)

    def at_work(self) -> "TaskQuerySet":
        """Carried out by one of our own workers."""
        return self.running().filter(parked_at__isnull=True)

    def lost(self) -> "TaskQuerySet":
        """Running on paper, but nobody has renewed the lease in time."""
        return self.at_work().filter(lease_expires_at__lt=Now())

    def unreported(self) -> "TaskQuerySet":
        """Carried out by an outside runner that has not reported in time."""
        return self.running().filter(parked_at__isnull=False, deadline_at__lt=Now())

    def overdue(self) -> "TaskQuerySet":
        """Running on and on although their worker should have stopped them a while ago."""
        return self.at_work().filter(deadline_at__lt=Now() - OVERDUE_GRACE)

    def dead(self) -> "TaskQuerySet":
        """Failed after using up their attempts."""
        return self.filter(DEAD)

    def unanswered(self) -> "TaskQuerySet":
        """Waiting for an approval that nobody has given in time."""
        return self.filter(approvals__state="pending", approvals__expires_at__lt=Now())

    def unassigned(self) -> "TaskQuerySet":
        """Ready, without an agent and an owner: what the task operator hands out."""
        return self.filter(status=Status.READY, agent__isnull=True, owner__isnull=True)

    def handed_out(self) -> "TaskQuerySet":
        """Running or ready by the hand of the task operator."""
        return self.filter(status__in=[Status.READY, Status.RUNNING], handed_out_at__isnull=False)

    def due(self) -> "TaskQuerySet":
        """Not kept back by a time before which they must not run."""
        return self.filter(Q(not_before_at__isnull=True) | Q(not_before_at__lte=Now()))

    def prunable(self, age: timedelta) -> "TaskQuerySet":
        """Ended, and changed last, longer ago than `age`; and so is all of their conversation. Not pruned before."""
        limit = Now() - age
        is_over = Q(status__in=_FINISHED, finished_at__lt=limit, updatedat__lt=limit)
        mates = Task.objects.filter(conversation=OuterRef("conversation"), pruned_at__isnull=True)
        return self.filter(is_over, pruned_at__isnull=True).exclude(Exists(mates.exclude(is_over)))

    def changed_outside(self) -> "TaskQuerySet":
        """Rows whose status was written by SQL, which left no event."""
        return self.filter(Q(recorded_status__isnull=True) | ~Q(recorded_status=F("status")))


class Task(models.Model):
    """A prompt to be carried out. Its status is written by `tasks.lifecycle` only."""

    id = models.BigAutoField(primary_key=True)
    prompt = models.TextField()
    status = models.SmallIntegerField(choices=_CHOICES, db_default=int(Status.READY), editable=False)
    createdat = models.DateTimeField(db_default=Now(), editable=False)
    updatedat = models.DateTimeField(db_default=Now(), editable=False)
    order = models.IntegerField(db_default=0, default=0, help_text="Lower runs first.")
    uuid = models.UUIDField(db_default=RandomUUID(), unique=True, editable=False)

    title = models.CharField(max_length=TITLE_LENGTH, blank=True, db_default="", default="")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="tasks"
    )
    agent = models.ForeignKey("tasks.Agent", on_delete=models.PROTECT, null=True, blank=True, related_name="tasks")
    queue = models.ForeignKey("tasks.Queue", on_delete=models.PROTECT, null=True, blank=True, related_name="tasks")
    input = models.JSONField(null=True, blank=True)
    source = models.CharField(max_length=16, db_default=Source.SQL, choices=Source.choices, editable=False)
    trusted = models.BooleanField(
        db_default=False, default=False, editable=False, help_text="Whether the prompt is its owner's own word."
    )
    untrusted_text = models.TextField(
        blank=True,
        db_default="",
        default="",
        editable=False,
        help_text="Text from outside that the prompt is about. The agent gets it as data.",
    )
    origin = models.CharField(
        max_length=ORIGIN_LENGTH,
        blank=True,
        db_default="",
        default="",
        editable=False,
        help_text="Where its text came from, in words.",
    )
    suspicion = models.JSONField(
        null=True, blank=True, editable=False, help_text="What was found in text from outside: score and reasons."
    )
    has_alarm = models.BooleanField(
        db_default=False, default=False, editable=False, help_text="Whether its output gave away what it must not."
    )
    conversation = models.ForeignKey(
        "tasks.Conversation", on_delete=models.PROTECT, null=True, blank=True, related_name="tasks", editable=False
    )

    schedule = models.ForeignKey(
        "tasks.Schedule", on_delete=models.PROTECT, null=True, blank=True, related_name="tasks", editable=False
    )
    handed_out_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the task operator gave it to the default agent."
    )
    request_id = models.CharField(
        max_length=REQUEST_ID_LENGTH,
        blank=True,
        db_default="",
        default="",
        editable=False,
        help_text="The request that brought it in or asked to try it again last; empty: none did.",
    )

    attempts = models.PositiveIntegerField(db_default=0, default=0, editable=False)
    free_attempts = models.PositiveIntegerField(
        db_default=0,
        default=0,
        editable=False,
        help_text="Attempts that do not count against max_attempts, such as those before a retry by hand.",
    )
    lost_attempts = models.PositiveSmallIntegerField(
        db_default=0, default=0, editable=False, help_text="Attempts whose worker vanished, since the last fresh start."
    )
    held_attempts = models.PositiveSmallIntegerField(
        db_default=0,
        default=0,
        editable=False,
        help_text="Attempts that met a provider's limit, since the last fresh start.",
    )
    max_attempts = models.PositiveSmallIntegerField(db_default=3, default=3)
    not_before_at = models.DateTimeField(null=True, blank=True)
    start_by_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="A task that still waits at this time fails."
    )
    concurrency_key = models.CharField(
        max_length=CONCURRENCY_KEY_LENGTH,
        blank=True,
        db_default="",
        default="",
        editable=False,
        help_text="Of one owner's tasks with the same key only one runs at a time.",
    )
    concurrency_policy = models.CharField(
        max_length=16, blank=True, db_default="", default="", choices=ConcurrencyPolicy.choices, editable=False
    )
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)
    deadline_at = models.DateTimeField(null=True, blank=True, editable=False)
    parked_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Since when an outside runner carries it out, without a worker of ours, and will report.",
    )
    dead_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its last attempt was used up; empty again after a retry."
    )

    result = models.TextField(null=True, blank=True, editable=False)
    error_code = models.CharField(max_length=64, blank=True, db_default="", default="", editable=False)
    error_detail = models.TextField(blank=True, db_default="", default="", editable=False)
    tokens_in = models.PositiveIntegerField(null=True, blank=True, editable=False)
    tokens_out = models.PositiveIntegerField(null=True, blank=True, editable=False)
    cost = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True, editable=False)

    pruned_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its texts and files were removed, their time being over."
    )

    archived_from = models.SmallIntegerField(null=True, blank=True, editable=False)
    recorded_status = models.SmallIntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text="The status that the last event told of; it differs when SQL changed the row.",
    )

    objects = TaskQuerySet.as_manager()

    class Meta:
        db_table = "tasks"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            # One lane for each owner and agent: a claim never walks over the tasks of those that may not run.
            models.Index(
                fields=["queue", "owner", "agent", "order", "id"],
                condition=Q(status=0, not_before_at__isnull=True),
                name="tasks_lanes",
            ),
            models.Index(
                fields=["queue", "owner", "agent", "not_before_at", "id"],
                condition=Q(status=0, not_before_at__isnull=False),
                name="tasks_timed",
            ),
            models.Index(fields=["queue", "owner", "agent"], condition=Q(status=4), name="tasks_running"),
            models.Index(fields=["lease_expires_at"], condition=Q(status=4), name="tasks_leases"),
            models.Index(fields=["deadline_at"], condition=Q(status=4), name="tasks_deadlines"),
            models.Index(
                fields=["start_by_at"], condition=Q(status=0, start_by_at__isnull=False), name="tasks_start_by"
            ),
            models.Index(
                fields=["owner", "concurrency_key"],
                condition=Q(status__in=_UNFINISHED) & ~Q(concurrency_key=""),
                name="tasks_unfinished_of_key",
            ),
            models.Index(fields=["owner", "id"], condition=Q(status=5, dead_at__isnull=False), name="tasks_dead"),
            models.Index(fields=["owner", "id"], name="tasks_of_owner"),
            models.Index(fields=["owner", "status", "id"], name="tasks_of_owner_by_status"),
            models.Index(fields=["agent", "id"], name="tasks_of_agent"),
            models.Index(fields=["queue", "owner", "status"], name="tasks_of_queue"),
            models.Index(fields=["order", "id"], condition=Q(status=0, agent__isnull=True), name="tasks_unassigned"),
            models.Index(
                fields=["order", "id"],
                condition=Q(status__in=[0, 4], handed_out_at__isnull=False),
                name="tasks_handed_out",
            ),
            models.Index(fields=["schedule", "id"], condition=Q(schedule__isnull=False), name="tasks_of_schedule"),
            models.Index(
                fields=["conversation", "id"], condition=Q(conversation__isnull=False), name="tasks_of_conversation"
            ),
            models.Index(
                fields=["owner", "finished_at", "id"],
                condition=Q(finished_at__isnull=False, pruned_at__isnull=True),
                name="tasks_to_prune",
            ),
            models.Index(
                fields=["id"],
                condition=Q(recorded_status__isnull=True) | ~Q(recorded_status=F("status")),
                name="tasks_changed_outside",
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=[int(status) for status in Status]), name="task_status_known"
            ),
            models.CheckConstraint(
                condition=Q(pruned_at__isnull=True, prompt__length__gte=1, prompt__length__lte=PROMPT_LENGTH)
                | Q(pruned_at__isnull=False, prompt=""),
                name="task_prompt_length",
            ),
            models.CheckConstraint(
                condition=Q(
                    status=int(Status.RUNNING),
                    lease_expires_at__isnull=False,
                    started_at__isnull=False,
                    attempts__gte=1,
                )
                | (~Q(status=int(Status.RUNNING)) & Q(lease_expires_at__isnull=True)),
                name="task_lease_exactly_while_running",
            ),
            models.CheckConstraint(
                condition=Q(parked_at__isnull=True) | Q(status=int(Status.RUNNING)),
                name="task_parked_only_while_running",
            ),
            models.CheckConstraint(
                condition=Q(untrusted_text__length__lte=PROMPT_LENGTH), name="task_untrusted_text_length"
            ),
            models.CheckConstraint(
                condition=Q(status__in=_FINISHED, finished_at__isnull=False)
                | (~Q(status__in=_FINISHED) & Q(finished_at__isnull=True)),
                name="task_finish_time_exactly_when_finished",
            ),
            models.CheckConstraint(
                condition=Q(pruned_at__isnull=True) | Q(status__in=_FINISHED), name="task_pruned_only_when_finished"
            ),
            models.CheckConstraint(
                condition=~Q(status=int(Status.FAILED)) | ~Q(error_code=""), name="task_failure_has_code"
            ),
            models.CheckConstraint(
                condition=Q(status=int(Status.ARCHIVED), archived_from__isnull=False)
                | (~Q(status=int(Status.ARCHIVED)) & Q(archived_from__isnull=True)),
                name="task_archive_remembers_status",
            ),
            models.CheckConstraint(
                condition=Q(source__in=_OWNERLESS) | Q(owner__isnull=False, agent__isnull=False, queue__isnull=False),
                name="task_has_owner_unless_by_sql",
            ),
            models.CheckConstraint(condition=Q(attempts__gte=F("free_attempts")), name="task_free_attempts_happened"),
            models.CheckConstraint(
                condition=Q(concurrency_key="", concurrency_policy="")
                | (~Q(concurrency_key="") & Q(concurrency_policy__in=ConcurrencyPolicy.values)),
                name="task_concurrency_key_with_policy",
            ),
            models.UniqueConstraint(
                fields=["owner", "concurrency_key"],
                condition=Q(status=int(Status.RUNNING)) & ~Q(concurrency_key=""),
                name="task_runs_alone_under_its_key",
            ),
            models.UniqueConstraint(
                fields=["status"],
                condition=Q(status=int(Status.RUNNING), handed_out_at__isnull=False),
                name="task_operator_runs_one_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return self.title or f"Task {self.uuid}"

    @property
    def state(self) -> Status:
        return Status(self.status)

    @property
    def is_exhausted(self) -> bool:
        """Whether the attempts that count are used up."""
        return self.attempts - self.free_attempts >= self.max_attempts
