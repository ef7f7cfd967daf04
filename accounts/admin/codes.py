"""One-time codes, for operators: to be looked at. What they say is known to nobody here."""

from django.contrib import admin

from accounts.invitations import state_of
from accounts.models import OneTimeCode
from personalq.lib.admin import ReadOnly, SafeModelAdmin


@admin.register(OneTimeCode)
class OneTimeCodeAdmin(ReadOnly, SafeModelAdmin[OneTimeCode]):
    """Resets, invitations and proofs of e-mail addresses. Invitations are withdrawn on their own page."""

    list_display = ("purpose", "user", "made_by", "created_at", "expires_at", "state")
    list_filter = ("purpose", "created_at", "expires_at", "used_at")
    list_select_related = ("user", "made_by")
    search_fields = ("uuid", "user__username", "made_by__username")
    fields = readonly_fields = ("uuid", "purpose", "user", "made_by", "created_at", "expires_at", "used_at", "state")
    show_full_result_count = False
    actions = None

    @admin.display(description="state")
    def state(self, code: OneTimeCode) -> str:
        return state_of(code)
