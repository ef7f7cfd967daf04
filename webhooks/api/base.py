"""What all routes of doors, bots and endpoints share."""

from typing import Any, TypeVar

from django.db.models import Model
from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.api import base
from accounts.api.base import READ_LIMIT, Deed, body_of, created, read_body
from accounts.models import User
from personalq.lib.errors import NotYours
from webhooks import access

__all__ = ["READ_LIMIT", "WRITE_LIMIT", "ApiView", "Deed", "ObjectView", "body_of", "created", "read_body"]

M = TypeVar("M", bound=Model)
WRITE_LIMIT = ("door-change", "PERSONALQ_RATE_DOOR_CHANGE")


class IsOwnerOrOperator(BasePermission):
    """The second lock behind the fetchers of `webhooks.access`."""

    code = NotYours.code

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:  # noqa: ARG002 - DRF's
        user = request.user
        deed: access.Deed = "view" if request.method in SAFE_METHODS else "change"
        return isinstance(user, User) and access.may(user, obj, deed)


class ApiView(base.ApiView):
    """A view for signed-in users; personal tokens need `doors:read` or `doors:write`."""

    scope = "doors"
    permission_classes = (IsAuthenticated, IsOwnerOrOperator)


class ObjectView(ApiView, base.ObjectView[M]):
    """A view of one object, which its address names by id. `fetch` goes by way of `webhooks.access`."""
