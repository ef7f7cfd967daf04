"""Object-level permissions of the API: the second lock behind the fetchers of `tasks.access`."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import User
from personalq.lib.errors import NotYours
from tasks import access
from tasks.models import Queue


class IsOwnerOrOperator(BasePermission):
    """Owners may do everything with their own, operators with all; shared queues may be seen by everybody."""

    code = NotYours.code

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - DRF's signature
        return isinstance(request.user, User)

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:  # noqa: ARG002
        is_reading = request.method in SAFE_METHODS
        if is_reading and isinstance(obj, Queue) and obj.is_shared:
            return True
        user = request.user
        return isinstance(user, User) and access.is_owner_or_operator(user, obj, "view" if is_reading else "change")
