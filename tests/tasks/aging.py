"""Making it as if something had happened longer ago."""

from django.db import connection, transaction

from tasks.models import Task


def make_older(*tasks: Task, days: float) -> None:
    """Move the times of tasks back, past the trigger that renews `updatedat`."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE tasks SET finished_at = finished_at - age, updatedat = updatedat - age, "
            "createdat = createdat - age FROM (SELECT interval '1 day' * %(days)s AS age) AS given "
            "WHERE id = ANY(%(ids)s)",
            {"days": days, "ids": [task.pk for task in tasks]},
        )
        # A test may itself be one transaction.
        cursor.execute("SET LOCAL session_replication_role = origin")
