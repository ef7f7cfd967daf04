from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Doors: what comes in from and goes out to other systems."""

    name = "webhooks"
    default_auto_field = "django.db.models.BigAutoField"
