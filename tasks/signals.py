"""What other apps may listen to."""

from django.dispatch import Signal

# Sent with `events` (a sequence of TaskEvent, all that were written at once) inside the transaction that wrote them.
# Receivers may write rows of their own; anything that leaves the database has to wait for the commit.
task_events_recorded = Signal()
