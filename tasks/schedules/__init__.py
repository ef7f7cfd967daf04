"""Tasks that come in at their times: the verbs of schedules, and what brings in the tasks that are due.

Callers find the objects through `tasks.access` first; the rules about values hold whoever calls. When a timing is due
`tasks.timing` says. Below the verbs: `firing` brings in what is due, `fires` makes the tasks and records what became of
each time, `rules` knows what the values have to be, `states` puts into words how a schedule stands.
"""

from tasks.schedules.changes import (
    MOST_SHOWN,
    change,
    create,
    delete,
    pause,
    preview,
    resume,
    run,
    upcoming,
)
from tasks.schedules.fires import ScheduleBusy

__all__ = [
    "MOST_SHOWN",
    "ScheduleBusy",
    "change",
    "create",
    "delete",
    "pause",
    "preview",
    "resume",
    "run",
    "upcoming",
]
