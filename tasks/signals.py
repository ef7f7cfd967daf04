"""What other apps may listen to."""

from django.dispatch import Signal

# Sent with `event` (a TaskEvent) inside the transaction that wrote it. Receivers may write rows of their own;
# anything that leaves the database has to wait for the commit.
task_event_recorded = Signal()

# The same for all events that are written at once, with `events`, for receivers that write many rows by one statement.
task_events_recorded = Signal()
