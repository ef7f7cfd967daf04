import logging

from django.apps import AppConfig

from realtime import server_log


class RealtimeConfig(AppConfig):
    """Windows: live events and the pages."""

    name = "realtime"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from realtime import receivers  # noqa: F401, PLC0415 - models must be loaded before

        logging.getLogger("uvicorn.error").addFilter(server_log.quieten)
