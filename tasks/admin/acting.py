"""Admin actions that go through the product's own verbs, one object after the other."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db.models import Model
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase

from accounts.models import User
from personalq.lib.admin import SafeModelAdmin
from personalq.lib.errors import AppError

M = TypeVar("M", bound=Model)


class VerbModelAdmin(SafeModelAdmin[M]):
    """A model admin that saves by the product's own verbs; what they refuse is said above the form."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        try:
            return super().changeform_view(request, *args, **kwargs)
        except AppError as error:
            reasons = " ".join(each.message for each in error.errors)
            self.message_user(request, reasons or error.detail, messages.ERROR)
            return HttpResponseRedirect(request.path)


def operator(request: HttpRequest) -> User:
    """The signed-in operator; the admin lets nobody else through."""
    if not isinstance(request.user, User):
        raise TypeError("the admin was entered without signing in")
    return request.user


def act_on_each(
    admin: ModelAdmin[Any],
    request: HttpRequest,
    chosen: Iterable[Model],
    act: Callable[[Any], object],
    done: str,
) -> None:
    """Call `act` for each object, note it in the admin's history, and say what was done and what was refused."""
    count, refused = 0, []
    for item in chosen:
        try:
            act(item)
        except AppError as error:
            refused.append(f"{item}: {error.detail}")
        else:
            count += 1
            admin.log_change(request, item, done)
    admin.message_user(request, f"{done}: {count}.", messages.SUCCESS if count else messages.INFO)
    for sentence in refused[:20]:
        admin.message_user(request, sentence, messages.WARNING)
