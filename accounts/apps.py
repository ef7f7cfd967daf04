from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who: users, tokens and sessions."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from personalq.lib import checks  # noqa: F401, PLC0415 - registers the system checks
