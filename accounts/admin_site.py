"""The admin, entered through our own sign-in page and its limits."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from accounts import second_factor
from accounts.models import User

_View = TypeVar("_View", bound=Callable[..., HttpResponseBase])


class OperatorSite(AdminSite):
    """Strangers are sent to sign in; who is signed in and no operator gets 403 instead of a second form."""

    site_header = "Personal-Q"
    site_title = "Personal-Q"
    index_title = "Operation"

    def has_permission(self, request: HttpRequest) -> bool:
        user = request.user
        return super().has_permission(request) and isinstance(user, User) and not second_factor.is_missing(user)

    def admin_view(self, view: _View, cacheable: bool = False) -> _View:  # noqa: FBT001, FBT002 - Django's signature
        guarded = super().admin_view(view, cacheable)

        @wraps(guarded)
        def enter(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not self.has_permission(request):
                raise PermissionDenied
            return guarded(request, *args, **kwargs)

        return cast("_View", enter)

    def password_change(  # type: ignore[override]  # it leads on and shows nothing
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        """Never shows Django's form: one's own password is changed on the page that ends what it has to end."""
        return redirect("account-password")

    def password_change_done(  # type: ignore[override]  # as above
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        """Nothing leads here any more."""
        return redirect("account")

    def login(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        """Never shows Django's form, which has no limits: the sign-in page judges `next` and goes on."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next") or reverse("admin:index", current_app=self.name))
