from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Doors: what comes in from and goes out to other systems."""

    name = "webhooks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from webhooks import receivers  # noqa: F401, PLC0415 - models must be loaded before
        from webhooks.voice.keys import register_testers  # noqa: PLC0415

        register_testers()
