"""Users and their sign-ins, for operators."""

from copy import copy
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from accounts import (
    admin_codes,  # noqa: F401 - registers its own
    admin_factors,  # noqa: F401 - registers its own
    admin_passwords,
    admin_trail,
    audit,
    credentials,
    email_changes,
    personal_tokens,
    token_access,
    tokens,
)
from accounts.credential_access import uses_of
from accounts.models import (
    AuditEvent,
    AuditMark,
    Credential,
    PersonalToken,
    RecoveryCode,
    SecondFactor,
    TokenFamily,
    User,
)
from accounts.models.audit_event import Outcome
from personalq.lib.admin import ReadOnly, SafeModelAdmin

MACHINE_WRITTEN = ("uuid", "session_epoch", "last_login", "date_joined")
MACHINE_FIELDSET = ("Machine-written", {"fields": ("uuid", "session_epoch")})
POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")


@admin.register(User)
class UserAdmin(SafeModelAdmin[User], DjangoUserAdmin[User]):
    """Accounts. Only superusers hand out powers and touch operators, lest an operator become another one."""

    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups", "date_joined")
    search_fields = ("username", "email", "first_name", "last_name", "uuid")
    show_full_result_count = False
    actions = ["sign_out_everywhere", "make_reset_links"]

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj is None else (*fieldsets, MACHINE_FIELDSET)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:  # noqa: ARG002
        return MACHINE_WRITTEN if _is_superuser(request) else (*MACHINE_WRITTEN, *POWERS)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        deleted, counts, lacking, protected = super().get_deleted_objects(objs, request)
        # Sign-ins and secrets go with their user, whoever may delete them one by one.
        own = {each._meta.verbose_name for each in (TokenFamily, PersonalToken, Credential, SecondFactor, RecoveryCode)}
        return deleted, counts, lacking - own, protected

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm[User], change: bool) -> None:  # noqa: FBT001
        super().save_model(request, obj, form, change)
        admin_trail.note_user(request, obj, form.changed_data, is_new=not change)
        if change and "is_active" in form.changed_data:
            # The stamp alone would come back to life with the account, and with it what was issued before.
            tokens.sign_out_everywhere(obj, "deactivated", actor=_user_of(request))
        if change and "email" in form.changed_data:
            email_changes.note(actor=cast("User", request.user), user=obj, old=form.initial.get("email") or "")

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for user in queryset:
            admin_trail.note_user_deleted(request, user)
        return super().log_deletions(request, queryset)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002 - Django's signature
        if isinstance(request.user, User) and str(request.user.pk) == id:
            # One's own needs the present one, as everybody's does.
            return redirect("account-password")
        # All requests share this object; the form is in the hands of one operator.
        own = copy(self)
        own.change_password_form = admin_passwords.form_for(cast("User", request.user))
        return super(UserAdmin, own).user_change_password(request, id, form_url)

    @admin.action(description="Make links by which they choose a new password", permissions=["change"])
    def make_reset_links(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        allowed = [user for user in queryset if _may_touch(request, user)]
        context = {**self.admin_site.each_context(request), "opts": self.opts}
        return admin_passwords.show_links(request, cast("User", request.user), allowed, context)

    @admin.action(description="Sign out everywhere", permissions=["change"])
    def sign_out_everywhere(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        allowed = [user for user in queryset if _may_touch(request, user)]
        for user in allowed:
            tokens.sign_out_everywhere(user, "operator", actor=_user_of(request))
            self.log_change(request, user, "Signed out everywhere.")
        self.message_user(request, f"Signed out everywhere: {len(allowed)}.", messages.SUCCESS)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly, SafeModelAdmin[AuditEvent]):
    """The audit trail: to be read, and by nobody to be changed."""

    list_display = ("number", "at", "kind", "outcome", "actor_name", "object_kind", "object_uuid", "address")
    list_filter = ("kind", "outcome", "at")
    search_fields = ("kind", "actor_name", "actor_uuid", "owner_uuid", "object_uuid", "address", "request_id")
    fields = readonly_fields = (
        "number", "at", "kind", "outcome", "actor_uuid", "actor_name", "owner_uuid", "object_kind", "object_uuid",
        "address", "request_id", "facts",
    )  # fmt: skip
    show_full_result_count = False
    actions = None


@admin.register(AuditMark)
class AuditMarkAdmin(ReadOnly, SafeModelAdmin[AuditMark]):
    """How far the chain of the audit trail reaches, and up to where it was cut."""

    list_display = ("kind", "number", "at")
    fields = readonly_fields = ("kind", "number", "seal", "at")
    show_full_result_count = False
    actions = None


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(SafeModelAdmin[Group], DjangoGroupAdmin):
    """Django's own; its acts are told as all others are."""


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
        with transaction.atomic():
            if tokens.revoke(family, "operator"):
                about = ("session", family.uuid)
                actor = _user_of(request)
                audit.record(
                    "session.ended", Outcome.DONE, actor=actor, owner=family.user, about=about, reason="operator"
                )
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

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # A list that can be narrowed by the beginning of a digest shows it, letter by letter.
        return not lookup.startswith("digest") and super().lookup_allowed(lookup, value, request)

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

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # A list that can be narrowed by the beginning of a ciphertext shows it, letter by letter.
        return not lookup.startswith(credentials.FIELD) and super().lookup_allowed(lookup, value, request)

    @admin.display(description="used by agents")
    def used_by(self, credential: Credential) -> int:
        return uses_of(credential)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return _is_superuser(request)

    def delete_model(self, request: HttpRequest, obj: Credential) -> None:
        if isinstance(request.user, User):
            credentials.delete(actor=request.user, credential=obj)


def _user_of(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


def _is_superuser(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    # Who can set somebody's password can be that person: operators are touched by superusers only.
    return _is_superuser(request) or user is None or not (user.is_superuser or user.is_staff)
