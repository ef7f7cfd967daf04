"""Sign-ins and tokens, for operators: to be looked at and ended."""

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts import sessions
from accounts.models import PersonalToken, TokenFamily, User
from accounts.tokens import personal_tokens, token_access
from personalq.lib.admin import ReadOnly, SafeModelAdmin


@admin.register(TokenFamily)
class TokenFamilyAdmin(ReadOnly, SafeModelAdmin[TokenFamily]):
    """Sign-ins: to be looked at and ended, never written."""

    list_display = ("uuid", "user", "kind", "created_at", "expires_at", "state")
    list_filter = ("kind", "revoked_reason", "created_at", "expires_at")
    list_select_related = ("user",)
    search_fields = ("uuid", "user__username")
    fields = readonly_fields = (
        "uuid",
        "user",
        "kind",
        "address",
        "user_agent",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
        "revoked_reason",
        "state",
    )
    show_full_result_count = False
    actions = ["revoke"]

    @admin.display(description="state")
    def state(self, family: TokenFamily) -> str:
        if family.revoked_at is not None:
            return "revoked"
        if family.kind == TokenFamily.Kind.PAGE and family.session_id is None:
            return "signed out"
        return "live" if family.expires_at > timezone.now() else "expired"

    def has_view_permission(self, request: HttpRequest, obj: TokenFamily | None = None) -> bool:
        return super().has_view_permission(request, obj) or self.has_revoke_permission(request)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_tokenfamily")

    @admin.action(description="Revoke: end all tokens of the sign-in", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[TokenFamily]) -> None:
        families = list(queryset.filter(revoked_at=None))
        for family in families:
            self._end(request, family)
        self.message_user(request, f"Revoked: {len(families)}.", messages.SUCCESS)

    def _end(self, request: HttpRequest, family: TokenFamily) -> None:
        if not isinstance(request.user, User):
            return
        with transaction.atomic():
            sessions.end(actor=request.user, session=family)
            self.log_change(request, family, "Revoked.")


@admin.register(PersonalToken)
class PersonalTokenAdmin(ReadOnly, SafeModelAdmin[PersonalToken]):
    """Tokens of people's programs: to be looked at and ended. Nobody can make or read one here."""

    list_display = ("name", "user", "beginning", "created_at", "expires_at", "last_used_at", "state")
    list_filter = ("revoked_reason", "created_at", "expires_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("uuid", "name", "prefix", "user__username")
    fields = readonly_fields = (
        "uuid",
        "user",
        "name",
        "beginning",
        "may",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
        "revoked_reason",
        "state",
    )
    show_full_result_count = False
    actions = ["revoke"]

    @admin.display(description="token")
    def beginning(self, token: PersonalToken) -> str:
        return f"{token.prefix}…"

    @admin.display(description="scopes")
    def may(self, token: PersonalToken) -> str:
        return ", ".join(token.scopes)

    def has_view_permission(self, request: HttpRequest, obj: PersonalToken | None = None) -> bool:
        return super().has_view_permission(request, obj) or self.has_revoke_permission(request)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return isinstance(request.user, User) and token_access.is_operator_for(request.user, "change")

    @admin.action(description="Revoke: end these tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[PersonalToken]) -> None:
        revoked = [token for token in queryset.filter(revoked_at=None) if self._end(request, token)]
        self.message_user(request, f"Revoked: {len(revoked)}.", messages.SUCCESS)

    def _end(self, request: HttpRequest, token: PersonalToken) -> bool:
        if not isinstance(request.user, User):
            return False
        personal_tokens.revoke(actor=request.user, token=token)
        self.log_change(request, token, "Revoked.")
        return True
