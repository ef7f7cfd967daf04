"""What the API routes of all apps share."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Generic, Literal, NoReturn, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from rest_framework.permissions import SAFE_METHODS, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.refusals import not_yours
from personalq.lib.errors import MalformedBody, NotAuthenticated, NotYours
from personalq.lib.fields import StrictSerializer
from personalq.lib.pagination import KeysetPagination
from personalq.lib.queries import StrictQuery
from personalq.lib.rate_limits import RateLimitedView

Deed = Literal["view", "change"]
M = TypeVar("M", bound=Model)
READ_LIMIT: Final = ("read", "PERSONALQ_RATE_READ")


class ApiView(RateLimitedView):
    """A view for signed-in users that takes no query parameter and no body member that it does not know."""

    permission_classes: Any = (IsAuthenticated,)
    http_method_names = ("get", "post", "patch", "delete", "head")
    rate_limits = {"GET": READ_LIMIT, "HEAD": READ_LIMIT}
    scope: ClassVar[str] = ""
    """The noun of `accounts.scopes` that a personal token needs here: `:read` for GET, `:write` for the rest."""
    scopes: ClassVar[Mapping[str, str]] = {}
    """Method → scope, where the noun does not say it. A view that declares neither refuses personal tokens."""
    query_class: ClassVar[type[StrictQuery]] = StrictQuery
    """The parameters of GET; other methods take none."""

    query: dict[str, Any]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        reader = self.query_class if request.method in {"GET", "HEAD"} else StrictQuery
        self.query = reader.read(request)

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> NoReturn:
        if code == NotYours.code and request.user.is_authenticated:
            raise NotYours
        super().permission_denied(request, message=message, code=code)

    def check_object_permissions(self, request: Request, obj: Any) -> None:
        try:
            super().check_object_permissions(request, obj)
        except NotYours:
            raise not_yours(self.user, obj) from None

    @property
    def user(self) -> User:
        """Who asks."""
        user = self.request.user
        if not isinstance(user, User):
            raise NotAuthenticated
        return user

    def page(self, rows: QuerySet[Any, Any], represent: Callable[[Any], dict[str, Any]]) -> Response:
        """One keyset page of the rows, newest first."""
        pages = KeysetPagination()
        found = pages.paginate_queryset(rows, self.request, view=self) or []
        return pages.get_paginated_response([represent(row) for row in found])


class ObjectView(ApiView, Generic[M]):
    """A view of one object, which its address names by id."""

    def fetch(self, uuid: UUID, deed: Deed) -> M:
        """The object, by way of its app's access module."""
        raise NotImplementedError

    def find(self, deed: Deed) -> M:
        """The object, once fetcher and object-level permissions have agreed."""
        found = self.fetch(self.kwargs["uuid"], deed)
        self.check_object_permissions(self.request, found)
        return found

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        # Somebody else's object answers 403 to every method, also to those that nothing answers.
        self.find("view" if request.method in SAFE_METHODS else "change")
        response: Response = super().http_method_not_allowed(request, *args, **kwargs)
        return response


def body_of(request: Request) -> Mapping[str, Any]:
    """The members of a JSON body; the parser has refused whatever is not an object."""
    body = request.data
    if not isinstance(body, Mapping):
        raise MalformedBody
    return body


def read_body(form_class: type[StrictSerializer], request: Request) -> dict[str, Any]:
    """The checked members of a JSON body; raises ValidationError that names each wrong one."""
    form = form_class(data=body_of(request))
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def created(body: dict[str, Any]) -> Response:
    """201 with the new object and its address."""
    return Response(body, status=201, headers={"Location": body["url"]})
