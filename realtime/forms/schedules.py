"""The forms of a schedule."""

from datetime import UTC, datetime
from typing import Any, Final

from django import forms
from django.core.validators import MinValueValidator
from django.utils import timezone

from accounts.models import User
from personalq.lib.errors import AppError, InvalidInput
from realtime.forms.fields import (
    AnswerableForm,
    OwnAgentField,
    PlainCharField,
    QueueField,
    SingleLineField,
    limit_field,
    order_field,
)
from realtime.zones import zone_or_utc
from tasks import access
from tasks.models import PROMPT_LENGTH, TITLE_LENGTH, CatchUpPolicy, OverlapPolicy, Schedule, Timing
from tasks.models.schedule import CRON_LENGTH, LONGEST_INTERVAL_SECONDS, ZONE_LENGTH
from tasks.names import NAME_LENGTH
from tasks.timing import zone_named

_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TYPED_TIME: Final = "%Y-%m-%dT%H:%M"
_UNITS: Final = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
_TIMINGS: Final = {
    Timing.CRON: "By the clock",
    Timing.INTERVAL: "At intervals",
    Timing.ONCE: "Once",
}
_OF_TASKS: Final = ("title", "order", "queue")
_RULES: Final = ("overlap_policy", "catch_up_policy", "catch_up_seconds")


class TimingForm(AnswerableForm):
    """What decides when a schedule is due."""

    timing = forms.ChoiceField(
        label="When it is due",
        choices=[(timing.value, words) for timing, words in _TIMINGS.items()],
        initial=Timing.CRON,
        widget=forms.RadioSelect,
    )
    cron = SingleLineField(
        label="Cron expression",
        max_length=CRON_LENGTH,
        required=False,
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off", "placeholder": "0 9 * * 1-5"}),
        help_text=(
            "Minute, hour, day of the month, month, day of the week: 0 9 * * 1-5 is nine o'clock on working days. "
            "Six fields begin with seconds."
        ),
    )
    every = forms.IntegerField(
        label="Every",
        required=False,
        min_value=1,
        max_value=LONGEST_INTERVAL_SECONDS,
        help_text="Counted from the start.",
    )
    unit = forms.ChoiceField(label="Unit", choices=[(unit, unit) for unit in _UNITS], initial="minutes", required=False)
    starts_at = forms.DateTimeField(
        label="Start",
        required=False,
        input_formats=[_TYPED_TIME, "%Y-%m-%dT%H:%M:%S"],
        validators=[MinValueValidator(_EARLIEST, "Choose a time after 1970.")],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_TYPED_TIME),
        help_text="By the clock of the time zone. Once: the time when it is due. Otherwise empty means now.",
    )
    zone = SingleLineField(
        label="Time zone",
        max_length=ZONE_LENGTH,
        initial="UTC",
        widget=forms.TextInput(attrs={"list": "zones", "spellcheck": "false", "autocomplete": "off"}),
        help_text="Such as Europe/Berlin. The clock of a cron expression goes by it, summer time included.",
    )

    def full_clean(self) -> None:
        # What is typed as the start is meant in the zone that is typed beside it.
        with timezone.override(zone_or_utc(str(self.data.get("zone", "")))):
            super().full_clean()

    def clean_zone(self) -> str:
        name: str = self.cleaned_data["zone"]
        try:
            zone_named(name)
        except InvalidInput as error:
            raise forms.ValidationError([each.message for each in error.errors]) from None
        return name

    @property
    def timing_values(self) -> dict[str, Any]:
        """What was chosen, as `tasks.schedules` takes it; what belongs to another timing is left out."""
        chosen = self.cleaned_data
        every, unit = chosen["every"], _UNITS[chosen["unit"] or "minutes"]
        is_interval = chosen["timing"] == Timing.INTERVAL
        return {
            "timing": chosen["timing"],
            "cron": chosen["cron"] if chosen["timing"] == Timing.CRON else "",
            "every_seconds": every * unit if is_interval and every else None,
            "starts_at": chosen["starts_at"],
            "zone": chosen["zone"],
        }

    def take(self, error: AppError) -> None:
        """Show an error where people typed what it is about."""
        for each in error.errors:
            name = "every" if each.field == "every_seconds" else each.field
            self.add_error(name if name in self.fields else None, each.message)
        if not error.errors:
            super().take(error)


class ScheduleForm(TimingForm):
    """When which prompt goes to which agent."""

    name = SingleLineField(max_length=NAME_LENGTH, help_text="Unique among yours.")
    agent = OwnAgentField(error_messages={"invalid_choice": "Choose one of your agents."})
    prompt = PlainCharField(
        max_length=PROMPT_LENGTH,
        widget=forms.Textarea(attrs={"rows": 8, "class": "prompt-field"}),
        help_text="What the agent shall do, each time.",
    )
    title = SingleLineField(
        max_length=TITLE_LENGTH,
        required=False,
        help_text="Of its tasks. Without one, lists show how the prompt begins.",
    )
    order = order_field(is_required=False)
    queue = QueueField(required=False, empty_label="the agent's own", help_text="Where its tasks wait for their turn.")
    overlap_policy = forms.ChoiceField(
        label="When it is due while a task of it is unfinished",
        choices=OverlapPolicy.choices,
        initial=OverlapPolicy.SKIP,
    )
    catch_up_policy = forms.ChoiceField(
        label="Times that went by while nothing could fire", choices=CatchUpPolicy.choices, initial=CatchUpPolicy.LAST
    )

    def __init__(self, owner: User, *args: Any, schedule: Schedule | None = None, **options: Any) -> None:
        """Take whose schedule it is or will be, and the one that exists already."""
        super().__init__(*args, **options)
        self.schedule = schedule
        agent: Any = self.fields["agent"]
        agent.queryset = access.agents_of(owner).order_by("name")
        queue: Any = self.fields["queue"]
        queue.offer_to(owner)
        window = limit_field(Schedule, "catch_up_seconds")
        window.label = "Made up for when not older than (seconds)"
        self.fields["catch_up_seconds"] = window

    @property
    def rules(self) -> list[forms.BoundField]:
        """What few people need to choose."""
        return [self[name] for name in _RULES]

    @property
    def of_tasks(self) -> list[forms.BoundField]:
        return [self[name] for name in _OF_TASKS]

    @property
    def has_unusual_rules(self) -> bool:
        return _is_unusual(self.rules)

    @property
    def has_unusual_tasks(self) -> bool:
        return _is_unusual(self.of_tasks)

    @property
    def values(self) -> dict[str, Any]:
        """Everything that a new schedule is made of."""
        own = {name: value for name, value in self.cleaned_data.items() if name not in {"every", "unit"}}
        return {**own, **self.timing_values, "order": own["order"] or 0}

    @property
    def changes(self) -> dict[str, Any]:
        """What is really different from the schedule that exists."""
        values = {name: value for name, value in self.values.items() if name != "starts_at" or self._has_new_start}
        return {name: value for name, value in values.items() if value != _as_typed(getattr(self.schedule, name))}

    @property
    def _has_new_start(self) -> bool:
        typed = self.cleaned_data["starts_at"]
        if typed is None or self.schedule is None:
            return False
        # The form shows no seconds, which must not get lost because something else was changed.
        is_as_shown = self.data.get("starts_at") == initial_of(self.schedule)["starts_at"].strftime(_TYPED_TIME)
        is_once = self.cleaned_data["timing"] == Timing.ONCE
        is_moved = is_once and (self.schedule.timing != Timing.ONCE or self.cleaned_data["zone"] != self.schedule.zone)
        return is_moved or not is_as_shown


def initial_of(schedule: Schedule) -> dict[str, Any]:
    """What the form of a schedule shows."""
    unit = next(unit for unit, seconds in _UNITS.items() if (schedule.every_seconds or 60) % seconds == 0)
    same = ("name", "timing", "cron", "zone", "prompt", "title", "order", *_RULES)
    return {
        **{name: getattr(schedule, name) for name in same},
        "every": schedule.every_seconds and schedule.every_seconds // _UNITS[unit],
        "unit": unit,
        # Without a zone it is shown as it is.
        "starts_at": schedule.starts_at.astimezone(zone_or_utc(schedule.zone)).replace(tzinfo=None),
        "agent": schedule.agent.uuid,
        "queue": schedule.queue.uuid if schedule.queue else None,
    }


def _is_unusual(fields: list[forms.BoundField]) -> bool:
    """Whether there is something to see in them that a new form does not show."""
    return any(field.errors or str(field.value() or "") != str(field.field.initial or "") for field in fields)


def _as_typed(value: Any) -> Any:
    # Browsers send every line break in one way.
    return value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else value
