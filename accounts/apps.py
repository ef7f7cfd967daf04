from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who: users, tokens and sessions."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"
