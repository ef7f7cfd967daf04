"""API views that belong to no app."""

from typing import Any

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from personalq.lib.errors import NotFound


class UnknownApiPath(APIView):
    """Catches what no route under /api matches, so that strangers learn nothing about which routes exist.

    To be declared last: ``re_path(r"^api(?:/.*)?$", UnknownApiPath.as_view())``.
    """

    permission_classes = (IsAuthenticated,)
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound
