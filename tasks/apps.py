from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate

from personalq.lib import database_guards


class TasksConfig(AppConfig):
    """What: agents, queues and tasks."""

    name = "tasks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        pre_migrate.connect(database_guards.lift, sender=self, dispatch_uid="database guards")
        post_migrate.connect(database_guards.restore, sender=self, dispatch_uid="database guards")
        # Models can be imported only now.
        from tasks import inspections  # noqa: F401, PLC0415 - registers them
        from tasks.runners.models.keys import register_testers  # noqa: PLC0415

        register_testers()
