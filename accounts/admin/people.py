"""Users and their groups, for operators."""

from copy import copy
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts import admin_trail, email_changes, tokens
from accounts.admin import passwords
from accounts.admin.acting import is_superuser, user_of
from accounts.models import (
    Credential,
    PersonalToken,
    RecoveryCode,
    SecondFactor,
    TokenFamily,
    User,
)
from personalq.lib.admin import SafeModelAdmin

MACHINE_WRITTEN = ("uuid", "session_epoch", "last_login", "date_joined")
MACHINE_FIELDSET = ("Machine-written", {"fields": ("uuid", "session_epoch")})


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

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """What cannot be written here: for oneself also the address, which needs one's password.

        The page Account asks for that. Where no e-mails are sent nobody needs an address, and once they are sent that
        page takes a first one, too.
        """
        powers = () if is_superuser(request) else admin_trail.POWERS
        return (*MACHINE_WRITTEN, *powers, *(("email",) if obj == request.user else ()))

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
            tokens.sign_out_everywhere(obj, "deactivated", actor=user_of(request))
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
        own.change_password_form = passwords.form_for(cast("User", request.user))
        return super(UserAdmin, own).user_change_password(request, id, form_url)

    @admin.action(description="Make links by which they choose a new password", permissions=["change"])
    def make_reset_links(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        allowed = [user for user in queryset if _may_touch(request, user)]
        context = {**self.admin_site.each_context(request), "opts": self.opts}
        return passwords.show_links(request, cast("User", request.user), allowed, context)

    @admin.action(description="Sign out everywhere", permissions=["change"])
    def sign_out_everywhere(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        allowed = [user for user in queryset if _may_touch(request, user)]
        for user in allowed:
            tokens.sign_out_everywhere(user, "operator", actor=user_of(request))
            self.log_change(request, user, "Signed out everywhere.")
        self.message_user(request, f"Signed out everywhere: {len(allowed)}.", messages.SUCCESS)


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(SafeModelAdmin[Group], DjangoGroupAdmin):
    """Django's own; its acts are told as all others are. A group is powers: only superusers hand those out."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:  # noqa: ARG002
        return is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:  # noqa: ARG002
        return is_superuser(request)


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    # Who can set somebody's password can be that person: operators are touched by superusers only.
    return is_superuser(request) or user is None or not (user.is_superuser or user.is_staff)
