"""What every admin page of ours has in common."""

from typing import Any, TypeVar

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, ValidationError
from django.db import DataError, ProgrammingError, transaction
from django.db.models import Model, QuerySet
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse

NUL = "\x00"
M = TypeVar("M", bound=Model)
acted = Signal()
"""Somebody added, changed or deleted an object: request, deed (`added`, `changed`, `deleted`), item, message."""


class SafeModelAdmin(admin.ModelAdmin[M]):
    """A model admin that tells of every act, and whose lists answer nonsense with `?e=1` or 400 instead of 500."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._tell(request, "added", obj, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._tell(request, "changed", obj, message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for item in queryset:
            self._tell(request, "deleted", item, None)
        return super().log_deletions(request, queryset)

    def _tell(self, request: HttpRequest, deed: str, item: Model, message: Any) -> None:
        acted.send(sender=type(self), request=request, deed=deed, item=item, message=message)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # A list that can be narrowed by what it does not show shows it, letter by letter: digests, seals, sessions.
        declared: Any = self.get_list_filter(request)
        filters = {each if isinstance(each, str) else each[0] for each in declared}
        is_offered = any(lookup == name or lookup.startswith(f"{name}__") for name in filters)
        return is_offered and super().lookup_allowed(lookup, value, request)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        try:
            # A savepoint when there is a transaction already, which the database's refusal would spoil.
            with transaction.atomic():
                return super().get_changelist_instance(request)
        # NUL, broken regular expressions, dates of the year 0, lookups that need a missing extension: all of them come
        # to light only when the list asks the database.
        except (ValueError, OverflowError, DataError, ProgrammingError) as error:
            raise IncorrectLookupParameters(error) from error

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        # What a link offers as a first value ends up in queries of the form's fields.
        offered = super().get_changeform_initial_data(request)
        return {name: value for name, value in offered.items() if NUL not in str(value)}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        # The search field of a list refuses NUL by itself; the one of autocompletion does not.
        if NUL in search_term:
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[M], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
            _check_key(self.model, key)
        return super().response_action(request, queryset, *args, **kwargs)


class ReadOnly:
    """For a model admin whose rows are looked at there, never written. The arguments are Django's."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return False


def _check_key(model: type[Model], key: Any) -> None:
    try:
        model._meta.pk.to_python(key)
    except ValidationError:
        raise BadRequest("The selection holds something that is no key.") from None
