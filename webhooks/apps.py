from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Doors: what comes in from and goes out to other systems."""

    name = "webhooks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Models must be loaded before. Importing them registers what is in them.
        from webhooks import inspections, receivers  # noqa: F401, PLC0415
        from webhooks.voice.keys import register_testers  # noqa: PLC0415

        register_testers()
