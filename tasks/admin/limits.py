from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from personalq.lib.admin import SafeModelAdmin
from tasks import locks
from tasks.models import UserLimits


@admin.register(UserLimits)
class UserLimitsAdmin(SafeModelAdmin[UserLimits]):
    """What single users may have running, where it differs from what everybody may."""

    list_display = ("user", "running_limit")
    list_select_related = ("user",)
    search_fields = ("user__username",)
    autocomplete_fields = ("user",)
    show_full_result_count = False

    def save_model(self, request: HttpRequest, obj: UserLimits, form: Any, change: bool) -> None:  # noqa: FBT001
        # Whoever claims at this moment goes first: after this nothing starts beyond the new limit.
        locks.hold_claims()
        super().save_model(request, obj, form, change)
