"""Admin actions that go through the product's own verbs, one object after the other."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db.models import Model
from django.http import HttpRequest

from accounts.models import User
from personalq.lib.errors import AppError


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
