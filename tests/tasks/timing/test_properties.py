"""Whatever the expression, zone and moment: the same as cronsim, as croniter, and as a walk through every minute."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from croniter import croniter
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from personalq.lib.errors import InvalidInput
from tasks import timing
from tasks.timing import Cron
from tests.tasks.timing.walking import clock_changes, walk

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/St_Johns"]
CHANGES = {name: clock_changes(ZoneInfo(name), 2024, 3) for name in ZONES}


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    numbers = st.integers(low, high)
    # croniter takes a span of one number for all of them, so there is none here.
    two = st.lists(numbers, min_size=2, max_size=2, unique=True)
    spans = two.map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.tuples(st.one_of(st.just("*"), spans), st.integers(1, 12)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    single = numbers.map(str)
    lists = st.lists(st.one_of(single, spans), min_size=2, max_size=4).map(",".join)
    return st.one_of(st.just("*"), single, spans, steps, lists)


expressions = st.tuples(
    fields(0, 59),
    fields(0, 23),
    st.one_of(st.just("*"), fields(1, 28)),
    st.just("*"),
    st.one_of(st.just("*"), fields(0, 6)),
).map(" ".join)


@st.composite
def moments(draw: st.DrawFn, name: str) -> datetime:
    """Often near a change of clocks."""
    around = draw(st.sampled_from([*CHANGES[name], datetime(2025, 5, 17, tzinfo=UTC)]))
    return around + timedelta(minutes=draw(st.integers(-900, 120)))


def cron_of(expression: str, name: str) -> Cron:
    return Cron.read(expression, zone=timing.zone_named(name), starts_at=EPOCH)


@settings(max_examples=150, deadline=None)
@given(expression=expressions, name=st.sampled_from(ZONES), data=st.data())
def test_a_walk_through_every_minute_finds_the_same(expression: str, name: str, data: st.DataObject) -> None:
    after = data.draw(moments(name))
    up_to = after + timedelta(hours=20)
    found = timing.between(cron_of(expression, name), after, up_to, 10_000)
    assert found == walk(expression, ZoneInfo(name), after, up_to)


@settings(max_examples=150, deadline=None)
@given(expression=expressions, moment=moments("UTC"))
def test_cronsim_says_the_same_where_clocks_never_change(expression: str, moment: datetime) -> None:
    ours = list(islice(cron_of(expression, "UTC").times(moment), 20))
    assert ours == list(islice(CronSim(expression, moment), 20))


@settings(max_examples=150, deadline=None)
@given(expression=expressions, name=st.sampled_from(["Europe/Berlin", "America/New_York"]), data=st.data())
def test_cronsim_says_the_same_in_zones_with_whole_hours(expression: str, name: str, data: st.DataObject) -> None:
    moment = data.draw(moments(name))
    ours = list(islice(cron_of(expression, name).times(moment), 20))
    theirs = (each.astimezone(UTC) for each in CronSim(expression, moment.astimezone(ZoneInfo(name))))
    # cronsim gives the end of a gap once for each time that it swallows, and begins anew within a repeated hour.
    assert ours == list(islice(_rising(theirs, moment), 20))


@settings(max_examples=150, deadline=None)
@given(expression=expressions, moment=moments("UTC"))
def test_croniter_says_the_same_where_clocks_never_change(expression: str, moment: datetime) -> None:
    _, _, day, _, weekday = expression.split()
    if ("*" in day) != (day == "*") or ("*" in weekday) != (weekday == "*"):
        return  # With */2 beside a day of the week, croniter looks for either and Debian's cron for both.
    found = croniter(expression, moment, ret_type=datetime)
    assert list(islice(cron_of(expression, "UTC").times(moment), 20)) == [found.get_next() for _ in range(20)]


@settings(max_examples=300, deadline=None)
@given(text=st.one_of(st.text(max_size=40), st.text(alphabet="0123456789*,-/#L W", max_size=40)))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    try:
        cron = cron_of(text, "Europe/Berlin")
    except InvalidInput as refused:
        (error,) = refused.errors
        is_told = (error.field, error.code) == ("cron", "bad_cron")
    else:
        is_told = timing.next_after(cron, EPOCH) is not None
    assert is_told


def _rising(times: Iterable[datetime], after: datetime) -> Iterator[datetime]:
    last = after
    for time in times:
        if time > last:
            last = time
            yield time
