from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    """Windows: live events and the pages."""

    name = "realtime"
    default_auto_field = "django.db.models.BigAutoField"
