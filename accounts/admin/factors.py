"""Second factors and recovery codes, for operators: who has one, and taking it away from somebody who has lost it."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin.acting import is_superuser
from accounts.models import RecoveryCode, SecondFactor, User
from accounts.second_factor import changes
from personalq.lib.admin import ReadOnly, SafeModelAdmin


@admin.register(SecondFactor)
class SecondFactorAdmin(ReadOnly, SafeModelAdmin[SecondFactor]):
    """To be looked at, and by superusers taken away. Nobody can make one here, or read its secret."""

    list_display = ("user", "confirmed_at", "created_at")
    list_filter = ("confirmed_at", "created_at")
    list_select_related = ("user",)
    search_fields = ("uuid", "user__username")
    fields = readonly_fields = ("uuid", "user", "confirmed_at", "created_at")
    show_full_result_count = False
    actions = ["remove"]

    def has_remove_permission(self, request: HttpRequest) -> bool:
        # Without it a password is enough: as with passwords, operators are touched by superusers only.
        return is_superuser(request)

    @admin.action(
        description="Take away: their sign-ins end, and the password alone opens again", permissions=["remove"]
    )
    def remove(self, request: HttpRequest, queryset: QuerySet[SecondFactor]) -> None:
        actor = request.user
        if not isinstance(actor, User):
            return
        factors = list(queryset.select_related("user"))
        for factor in factors:
            self.log_change(request, factor, "Taken away.")
            changes.remove(actor=actor, user=factor.user)
        self.message_user(request, f"Taken away: {len(factors)}.", messages.SUCCESS)


@admin.register(RecoveryCode)
class RecoveryCodeAdmin(ReadOnly, SafeModelAdmin[RecoveryCode]):
    """Which codes are used. What they say is not kept."""

    list_display = ("id", "user", "used_at")
    list_filter = ("used_at",)
    list_select_related = ("factor__user",)
    search_fields = ("factor__user__username",)
    fields = readonly_fields = ("user", "used_at")
    show_full_result_count = False
    actions = None

    @admin.display(description="user")
    def user(self, code: RecoveryCode) -> User:
        return code.factor.user
