from typing import Any

from django.db import migrations


def end_sessions(apps: Any, _editor: Any) -> None:
    """Rows of the other engine stand under another key: nobody could use them any more, and they would look open."""
    apps.get_model("sessions", "Session").objects.all().delete()


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0008_known_keys"),
        ("sessions", "0001_initial"),
    ]

    operations = [migrations.RunPython(end_sessions, end_sessions)]
