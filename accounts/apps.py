from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who: users, tokens and sessions."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Models must be loaded before. What is not used here registers receivers and inspections.
        from accounts import admin_trail, inspections, outgoing  # noqa: F401, PLC0415
        from accounts.sign_in import trail  # noqa: F401, PLC0415
        from personalq.lib import checks  # noqa: F401, PLC0415 - registers the system checks
        from personalq.lib import inspections as general  # noqa: F401, PLC0415 - registers those of the ground floor
