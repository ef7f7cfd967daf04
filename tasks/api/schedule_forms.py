"""Bodies and queries of the routes about schedules."""

from typing import Final

from personalq.lib.fields import (
    LARGEST_BIGINT,
    LARGEST_INTEGER,
    SomeChange,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictIntegerField,
    StrictSerializer,
)
from personalq.lib.queries import QueryIntegerField, StrictQuery
from tasks.api.filters import EVENTS_PER_PAGE, OwnerQuery
from tasks.api.forms import INPUT_BYTES, NAME_HELP, SMALLEST_INTEGER, AnyJsonField
from tasks.models import PROMPT_LENGTH, TITLE_LENGTH, CatchUpPolicy, OverlapPolicy, Timing
from tasks.models.schedule import (
    CRON_LENGTH,
    LONGEST_INTERVAL_SECONDS,
    LONGEST_WINDOW_SECONDS,
    SHORTEST_INTERVAL_SECONDS,
    ZONE_LENGTH,
)
from tasks.names import NAME_LENGTH, agent_name
from tasks.schedules.states import SCHEDULE_KINDS, STATES

_ZONE_HELP: Final = "An IANA name, such as Europe/Berlin."


class _TimingFields(StrictSerializer):
    """What decides when a schedule is due. Whether the fields fit together is for `tasks.schedules` to say."""

    timing = StrictChoiceField(choices=Timing.values, required=False, help_text="What decides when it is due.")
    cron = StrictCharField(
        max_length=CRON_LENGTH,
        required=False,
        allow_blank=True,
        single_line=True,
        help_text="Of `cron`: five fields, or six that begin with seconds.",
    )
    every_seconds = StrictIntegerField(
        min_value=SHORTEST_INTERVAL_SECONDS,
        max_value=LONGEST_INTERVAL_SECONDS,
        required=False,
        allow_null=True,
        help_text="Of `interval`: counted from `starts_at`.",
    )
    starts_at = StrictDateTimeField(
        required=False,
        allow_null=True,
        help_text=(
            "Not due before this time, which is now without it; of `interval` the first time, of `once` the only one, "
            "which has to be sent."
        ),
    )
    zone = StrictCharField(
        max_length=ZONE_LENGTH,
        required=False,
        single_line=True,
        help_text=f"The time zone in which the clock of `cron` runs; UTC without it. {_ZONE_HELP}",
    )


class _ScheduleFields(_TimingFields):
    title = StrictCharField(
        max_length=TITLE_LENGTH, required=False, allow_blank=True, single_line=True, help_text="Of each of its tasks."
    )
    order = StrictIntegerField(
        min_value=SMALLEST_INTEGER, max_value=LARGEST_INTEGER, required=False, help_text="Lower runs first."
    )
    input = AnyJsonField(
        max_bytes=INPUT_BYTES, required=False, allow_null=True, help_text="Data for the agent beside the prompt."
    )
    queue = StrictCharField(
        max_length=NAME_LENGTH,
        required=False,
        allow_null=True,
        help_text="A queue's id or name; null: the agent's own.",
    )
    overlap_policy = StrictChoiceField(
        choices=OverlapPolicy.values,
        required=False,
        help_text=(
            "When it is due while a task of it is unfinished: `skip` (without it) leaves the time out, `queue` lets "
            "the new task wait for the others, `cancel_older` cancels them, `allow` lets them run side by side."
        ),
    )
    catch_up_policy = StrictChoiceField(
        choices=CatchUpPolicy.values,
        required=False,
        help_text=(
            "What is made up for when nothing could fire: `none`, `last` (without it) or `all` of the missed times."
        ),
    )
    catch_up_seconds = StrictIntegerField(
        min_value=1,
        max_value=LONGEST_WINDOW_SECONDS,
        required=False,
        help_text="How old a time may be to be made up for; a day without it.",
    )


class ScheduleForm(_ScheduleFields):
    """A new schedule."""

    name = StrictCharField(
        max_length=NAME_LENGTH, refuse_edge_space=True, single_line=True, validators=[agent_name], help_text=NAME_HELP
    )
    timing = StrictChoiceField(choices=Timing.values, help_text="What decides when it is due.")
    agent = StrictCharField(max_length=NAME_LENGTH, help_text="The id or name of one of your agents.")
    prompt = StrictCharField(max_length=PROMPT_LENGTH, help_text="What the agent shall do, each time.")


class ScheduleChanges(SomeChange, _ScheduleFields):
    """Changes of a schedule."""

    name = StrictCharField(
        max_length=NAME_LENGTH,
        refuse_edge_space=True,
        single_line=True,
        validators=[agent_name],
        required=False,
        help_text=NAME_HELP,
    )
    agent = StrictCharField(
        max_length=NAME_LENGTH, required=False, help_text="The id or name of one of the owner's agents."
    )
    prompt = StrictCharField(max_length=PROMPT_LENGTH, required=False)


class PreviewForm(_TimingFields):
    """A timing that is not kept."""

    timing = StrictChoiceField(choices=Timing.values, help_text="What decides when it is due.")
    viewer_zone = StrictCharField(
        max_length=ZONE_LENGTH, required=False, single_line=True, help_text=f"Tell `viewer_at` in it. {_ZONE_HELP}"
    )


class ZoneQuery(StrictQuery):
    """In which zone the reader's clock runs."""

    zone = StrictCharField(
        max_length=ZONE_LENGTH,
        required=False,
        single_line=True,
        help_text=f"The reader's time zone: each entry of `upcoming` then has `viewer_at`. {_ZONE_HELP}",
    )


class ScheduleQuery(ZoneQuery, OwnerQuery):
    """Which schedules to list."""

    agent = StrictCharField(max_length=NAME_LENGTH, required=False, help_text="An agent's id, or the name of yours.")
    state = StrictChoiceField(choices=STATES, required=False)


class ScheduleEventQuery(StrictQuery):
    """Which events to list."""

    after = QueryIntegerField(
        min_value=0, max_value=LARGEST_BIGINT, required=False, help_text="Only events with a higher id."
    )
    page_size = QueryIntegerField(min_value=1, max_value=EVENTS_PER_PAGE, required=False, help_text="How many at most.")
    kind = StrictChoiceField(choices=SCHEDULE_KINDS, required=False, help_text="Only events of this kind.")
