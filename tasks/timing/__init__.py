"""When something is due: cron expressions, intervals and single times, without a database.

All results are aware datetimes in UTC. What cron means where clocks change stands in docs/schedules.md.
"""

from tasks.timing.cron import Cron
from tasks.timing.gaps import GRACE, MOST_MADE_UP, Decision, Missed, Policy, decide
from tasks.timing.notations import interval_in
from tasks.timing.rules import Interval, Once, Rule, between, count, latest, next_after
from tasks.timing.zones import LAST_YEAR, zone_named, zone_names

__all__ = [
    "GRACE",
    "LAST_YEAR",
    "MOST_MADE_UP",
    "Cron",
    "Decision",
    "Interval",
    "Missed",
    "Once",
    "Policy",
    "Rule",
    "between",
    "count",
    "decide",
    "interval_in",
    "latest",
    "next_after",
    "zone_named",
    "zone_names",
]
