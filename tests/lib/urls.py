"""Routes that exist to be looked at by the tests of the ground floor."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, OperationalError, connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponsePermanentRedirect, JsonResponse
from django.template.loader import get_template
from django.urls import path, re_path, reverse
from django.views.decorators.csrf import csrf_exempt
from django_ratelimit.exceptions import Ratelimited
from rest_framework import exceptions
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from personalq.lib import errors
from personalq.lib.api_views import UnknownApiPath
from personalq.lib.fields import StrictCharField, StrictIntegerField, StrictListField, StrictSerializer
from personalq.lib.rate_limits import RateLimitedView

CANARY = "CANARY-7f3a"

RAISED: dict[str, Exception] = {
    "not-yours": errors.NotYours(),
    "limited": errors.RateLimited(retry_after_seconds=7),
    "conflict": errors.Conflict("Pick another name.", code="name_taken"),
    "drf-parse": exceptions.ParseError(f"JSON parse error - {CANARY}"),
    "drf-throttled": exceptions.Throttled(wait=2.2),
    "drf-not-found": exceptions.NotFound(CANARY),
    "drf-method": exceptions.MethodNotAllowed(CANARY),
    "drf-denied": exceptions.PermissionDenied(CANARY),
    "drf-failed": exceptions.AuthenticationFailed(CANARY),
    "ratelimit": Ratelimited(CANARY),
    "http404": Http404(CANARY),
    "denied": PermissionDenied(CANARY),
    "suspicious": SuspiciousOperation(CANARY),
    "too-big": RequestDataTooBig(CANARY),
    "recursion": RecursionError(CANARY),
    "data": DataError(CANARY),
    "unicode": UnicodeEncodeError("utf-8", CANARY, 0, 1, CANARY),
    "database-away": OperationalError(CANARY),
    "lookup": LookupError(f"unknown encoding: {CANARY}"),
    "key": KeyError(CANARY),
    "bug": ZeroDivisionError(CANARY),
}
handler400 = "personalq.lib.problems.handler400"
handler403 = "personalq.lib.problems.handler403"
handler404 = "personalq.lib.problems.handler404"
handler500 = "personalq.lib.problems.handler500"


class OpenView(APIView):
    permission_classes = (AllowAny,)


class RaisingView(OpenView):
    def get(self, _request: Request, name: str) -> Response:
        raise RAISED[name]


class ItemSerializer(StrictSerializer):
    prompt = StrictCharField(max_length=10)


class OrderSerializer(StrictSerializer):
    name = StrictCharField(max_length=5)
    order = StrictIntegerField(min_value=0, max_value=10, required=False)
    items = ItemSerializer(many=True, required=False)
    words = StrictListField(max_length=3, required=False, child=StrictCharField(max_length=3))


class EchoView(OpenView):
    def post(self, request: Request) -> Response:
        serializer = OrderSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(serializer.validated_data)


class RawEchoView(OpenView):
    def post(self, request: Request) -> Response:
        return Response({"data": request.data, "length": request.META.get("CONTENT_LENGTH")})


class ClosedView(APIView):
    def get(self, _request: Request) -> Response:
        return Response({"secret": CANARY})


class CountedView(RateLimitedView):
    permission_classes = (AllowAny,)
    rate_limits = {"POST": ("counted", "2/m")}

    def post(self, _request: Request) -> Response:
        return Response({})


def raising_page(request: HttpRequest, name: str) -> HttpResponse:
    raise RAISED[name]


def _recurse(depth: int) -> int:
    return _recurse(depth + 1)


def _query(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


BREAKS: dict[str, Callable[[], object]] = {
    "recursion": lambda: _recurse(0),
    "codec": lambda: "x".encode(CANARY),
    "surrogate": f"{CANARY}\ud800".encode,
    "key": lambda: dict[str, str]()[CANARY],
    "attribute": lambda: getattr(object(), CANARY),
    "number": lambda: int(CANARY),
    "file": Path(f"/{CANARY}/secret").read_text,
    "template": lambda: get_template(f"{CANARY}.html"),
    "address": lambda: reverse(CANARY),
    "group": lambda: (_ for _ in ()).throw(ExceptionGroup(CANARY, [ValueError(CANARY)])),
    "memory": lambda: (_ for _ in ()).throw(MemoryError(CANARY)),
    "wrong statement": lambda: _query(f"SELECT '{CANARY}' FROM {CANARY.replace('-', '_')}"),
    "data": lambda: _query(f"SELECT '{CANARY}'::integer"),
    "integrity": lambda: _query("INSERT INTO django_session (session_key) VALUES (NULL)"),
}
"""What goes wrong by itself, with a canary in the message wherever it can stand there."""


def _break(name: str) -> None:
    something = {"of": CANARY}  # noqa: F841 - stands in the frame, as secrets do
    password = CANARY  # noqa: F841
    BREAKS[name]()


class BreakingView(OpenView):
    def get(self, _request: Request, name: str) -> Response:
        _break(name)
        return Response({})


def breaking_page(request: HttpRequest, name: str) -> HttpResponse:
    _break(name)
    return HttpResponse()


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("<!doctype html><title>page</title>")


@csrf_exempt
def describe(request: HttpRequest) -> JsonResponse:
    headers: dict[str, Any] = {name: value for name, value in request.META.items() if name.startswith("HTTP_")}
    return JsonResponse({"path": request.path_info, "secure": request.is_secure(), "headers": headers})


def redirect(request: HttpRequest) -> HttpResponse:
    return HttpResponsePermanentRedirect("/page")


urlpatterns = [
    path("page", page),
    path("page/redirect", redirect),
    path("page/describe", describe),
    path("page/raise/<slug:name>", raising_page),
    path("api/v1/raise/<slug:name>", RaisingView.as_view()),
    path("page/break/<str:name>", breaking_page),
    path("api/v1/break/<str:name>", BreakingView.as_view()),
    path("api/v1/echo", EchoView.as_view()),
    path("api/v1/raw", RawEchoView.as_view()),
    path("api/v1/closed", ClosedView.as_view()),
    path("api/v1/counted", CountedView.as_view()),
    path("api/v1/describe", describe),
    re_path(r"^api(?:/.*)?$", UnknownApiPath.as_view()),
]
