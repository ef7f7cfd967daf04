"""What other apps may listen to."""

from django.dispatch import Signal

# Sent with `event` (a TaskEvent) inside the transaction that wrote it. Receivers may write rows of their own;
# anything that leaves the database has to wait for the commit.
task_event_recorded = Signal()
