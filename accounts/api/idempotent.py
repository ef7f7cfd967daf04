"""POST with an Idempotency-Key: sent again, it gets its first answer and makes nothing new."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Final

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.idempotency import Answer, answer_once, fingerprint_of
from accounts.models import User
from accounts.models.idempotency import KEY_LENGTH
from personalq.lib.errors import InvalidInput, NotAuthenticated
from personalq.lib.openapi import Addition

HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotency-Replayed"
_KEY: Final = re.compile(rf"[\x21-\x7e]{{1,{KEY_LENGTH}}}")
_DESCRIPTION: Final = Addition(
    parameters=[
        OpenApiParameter(
            HEADER,
            {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH, "pattern": "^[!-~]+$"},
            OpenApiParameter.HEADER,
            description="Any text, such as a UUID. Sent again within 24 hours, the request gets its first answer.",
        ),
        OpenApiParameter(
            REPLAYED_HEADER,
            {"type": "string", "const": "true"},
            OpenApiParameter.HEADER,
            response=[201, 202],
            description="The answer was given before.",
        ),
    ],
    problems={
        409: "`idempotency_key_in_flight`: the first request with this key is under way; wait for `Retry-After`.",
        422: "`idempotency_key_reused`: the key was used for another request.",
    },
)


class IdempotentPost(APIView):
    """A view whose POST is carried out once for each Idempotency-Key of a user.

    Named first among a view's parents. Without the header nothing changes. The answers of such a POST to requests
    with the header are JSON, whatever they accept.
    """

    answer_holds_secret: ClassVar[bool] = False
    """Whether the answer must not be stored. A repeated request is then answered 409 `idempotency_key_used`."""

    additions: ClassVar = {"POST": _DESCRIPTION}
    post: Callable[..., Any]

    def look_ahead(self, request: Request) -> None:
        """What takes long and needs no transaction, before one begins. Faults are left to those who come after."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method == "POST":
            self.look_ahead(request)
        key = read_key(request._request) if request.method == "POST" else None
        if key is not None:
            # DRF looks the method up after this, and a view lives for one request only.
            self.post = partial(self._post_once, key, self.post)

    def _post_once(
        self, key: str, post: Callable[..., Response], request: Request, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if not isinstance(request.user, User):
            raise NotAuthenticated
        plain = request._request
        answer = answer_once(
            actor=request.user,
            key=key,
            fingerprint=fingerprint_of(method="POST", path=plain.path_info, body=plain.body),
            work=lambda: _as_json(post(request, *args, **kwargs), request),
            holds_secret=self.answer_holds_secret,
        )
        replayed = {REPLAYED_HEADER: "true"} if answer.is_replayed else {}
        return HttpResponse(
            answer.body,
            status=answer.status,
            content_type=JSONRenderer.media_type,
            headers={**answer.headers, **replayed},
        )


def read_key(request: HttpRequest) -> str | None:
    """The request's key, taken as it is; None without the header.

    Raises InvalidInput, naming the header, when it comes twice or is not 1 to 255 visible ASCII characters.
    """
    values = _values(request)
    if len(values) > 1:
        raise InvalidInput.for_field(HEADER, "repeated", "Send this header once.")
    if values and not _KEY.fullmatch(values[0]):
        message = f"Send 1 to {KEY_LENGTH} visible ASCII characters, such as a UUID."
        raise InvalidInput.for_field(HEADER, "invalid", message)
    return values[0] if values else None


def _values(request: HttpRequest) -> list[str]:
    if not isinstance(request, ASGIRequest):
        return [request.headers[HEADER]] if HEADER in request.headers else []
    # Django joins repeated headers with a comma, which a key may hold.
    name = HEADER.lower().encode()
    # Not every HTTP server takes the blanks off that may surround a value.
    return [value.decode("latin-1").strip(" \t") for each, value in request.scope["headers"] if each == name]


def _as_json(response: Response, request: Request) -> Answer:
    # What is stored has to be what is sent: here it is rendered for both.
    body = JSONRenderer().render(response.data, request.accepted_media_type)
    headers = {name: value for name, value in response.headers.items() if name != "Content-Type"}
    return Answer(status=response.status_code, headers=headers, body=body)
