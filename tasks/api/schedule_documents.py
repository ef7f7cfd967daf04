"""What answers about schedules look like, for the OpenAPI document. Tests compare real answers with these."""

from typing import Any

from rest_framework import serializers

from tasks.models import CatchUpPolicy, FireOutcome, OverlapPolicy, Timing
from tasks.schedules.states import SCHEDULE_KINDS, STATES, WARNINGS


class DueTime(serializers.Serializer[Any]):
    """A time at which a schedule is due."""

    at = serializers.DateTimeField(help_text="In UTC.")
    local_at = serializers.DateTimeField(help_text="By the clock of the schedule's zone, with its offset.")
    viewer_at = serializers.DateTimeField(
        allow_null=True, help_text="By the clock of the zone that was asked for, with its offset."
    )


class DueTimes(serializers.Serializer[Any]):
    """The next times of a timing."""

    upcoming = DueTime(many=True, help_text="At most five; none when it will never be due.")


class ScheduleWarning(serializers.Serializer[Any]):
    """What went wrong lately; gone after the next time that went well."""

    code = serializers.ChoiceField(choices=list(WARNINGS))
    sentence = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)


class _ScheduleSummary(serializers.Serializer[Any]):
    uuid = serializers.UUIDField()
    name = serializers.CharField()
    timing = serializers.ChoiceField(choices=Timing.values)
    cron = serializers.CharField(help_text="Empty unless `timing` is `cron`.")
    every_seconds = serializers.IntegerField(allow_null=True)
    starts_at = serializers.DateTimeField()
    zone = serializers.CharField(help_text="An IANA name.")
    agent = serializers.UUIDField()
    agent_name = serializers.CharField()
    queue = serializers.CharField(allow_null=True, help_text="The queue's name; null: the agent's own.")
    title = serializers.CharField()
    order = serializers.IntegerField()
    overlap_policy = serializers.ChoiceField(choices=OverlapPolicy.values)
    catch_up_policy = serializers.ChoiceField(choices=CatchUpPolicy.values)
    catch_up_seconds = serializers.IntegerField()
    state = serializers.ChoiceField(choices=STATES, help_text="`over`: it will never be due again.")
    is_paused = serializers.BooleanField()
    next_due_at = serializers.DateTimeField(allow_null=True)
    upcoming = DueTime(many=True, help_text="At most five.")
    last_due_at = serializers.DateTimeField(allow_null=True)
    last_fired_at = serializers.DateTimeField(allow_null=True)
    warning = ScheduleWarning(allow_null=True)
    owner = serializers.CharField(help_text="The owner's user name.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    url = serializers.URLField()


class ScheduleRow(_ScheduleSummary):
    """A schedule in a list."""

    prompt = serializers.CharField(help_text="Its first 500 characters.")
    prompt_truncated = serializers.BooleanField()


class Schedule(_ScheduleSummary):
    """When which prompt goes to which agent."""

    prompt = serializers.CharField()
    input = serializers.JSONField(help_text="Any JSON, or null.")


class Fire(serializers.Serializer[Any]):
    """What became of a time at which a schedule was due."""

    due_at = serializers.DateTimeField()
    until_at = serializers.DateTimeField(allow_null=True, help_text="Of several missed times the last.")
    count = serializers.IntegerField(help_text="For how many times it stands.")
    is_manual = serializers.BooleanField(help_text="Whether somebody ran it by hand.")
    outcome = serializers.ChoiceField(choices=FireOutcome.values)
    code = serializers.CharField(allow_null=True, help_text="Why it was skipped or failed.")
    reason = serializers.CharField(allow_null=True, help_text="The same for people.")
    drift_seconds = serializers.FloatField(help_text="How much later than due it fired.")
    task = serializers.UUIDField(allow_null=True)
    at = serializers.DateTimeField()


class ScheduleEvent(serializers.Serializer[Any]):
    """One thing that happened to a schedule."""

    event = serializers.ChoiceField(choices=SCHEDULE_KINDS)
    id = serializers.IntegerField(help_text="Grows with each event of the whole system.")
    task = serializers.UUIDField(allow_null=True, help_text="Null, for it is no task's.")
    schedule = serializers.UUIDField()
    attempt = serializers.IntegerField(help_text="0.")
    at = serializers.DateTimeField()
    data = serializers.DictField(child=serializers.JSONField())  # type: ignore[assignment]  # DRF gives every field an attribute of this name


class ScheduleEventPage(serializers.Serializer[Any]):
    """Events of a schedule, oldest first."""

    results = ScheduleEvent(many=True)
    next = serializers.URLField(allow_null=True, help_text="The next page; null when there is nothing newer yet.")


class _Page(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True, help_text="The next page; null on the last one.")
    previous = serializers.URLField(allow_null=True)


class SchedulePage(_Page):
    """Schedules, newest first."""

    results = ScheduleRow(many=True)


class FirePage(_Page):
    """What became of a schedule's times, newest first."""

    results = Fire(many=True)
