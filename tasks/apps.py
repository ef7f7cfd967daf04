from django.apps import AppConfig


class TasksConfig(AppConfig):
    """What: agents, queues and tasks."""

    name = "tasks"
    default_auto_field = "django.db.models.BigAutoField"
