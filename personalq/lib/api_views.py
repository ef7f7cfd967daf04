"""API views that belong to no app."""

from typing import Any, ClassVar

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from personalq.lib.errors import NotFound
from personalq.lib.view_scopes import ANY


class UnknownApiPath(APIView):
    """Catches what no route under /api matches, so that strangers learn nothing about which routes exist.

    To be declared last: ``re_path(r"^api(?:/.*)?$", UnknownApiPath.as_view())``.
    """

    permission_classes = (IsAuthenticated,)
    # Every token may learn that there is nothing.
    scope: ClassVar[str] = ANY
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound
