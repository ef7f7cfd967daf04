"""Credentials, for operators: that they exist, and never what they are."""

from django.contrib import admin
from django.http import HttpRequest

from accounts import credentials
from accounts.admin.acting import is_superuser
from accounts.credential_access import uses_of
from accounts.models import Credential, User
from personalq.lib.admin import ReadOnly, SafeModelAdmin


@admin.register(Credential)
class CredentialAdmin(ReadOnly, SafeModelAdmin[Credential]):
    """What secrets there are: to be looked at, and by superusers forgotten. Nobody can read or write one here."""

    list_display = ("name", "owner", "provider", "hint", "last_used_at", "last_test_ok", "created_at")
    list_filter = ("provider", "last_test_ok", "last_used_at")
    list_select_related = ("owner",)
    search_fields = ("uuid", "name", "owner__username")
    fields = readonly_fields = (
        "uuid",
        "owner",
        "name",
        "provider",
        "hint",
        "used_by",
        "last_used_at",
        "last_test_at",
        "last_test_ok",
        "last_test_code",
        "created_at",
        "updated_at",
    )
    show_full_result_count = False
    actions = None

    @admin.display(description="used by agents")
    def used_by(self, credential: Credential) -> int:
        return uses_of(credential)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return is_superuser(request)

    def delete_model(self, request: HttpRequest, obj: Credential) -> None:
        if isinstance(request.user, User):
            credentials.delete(actor=request.user, credential=obj)
