"""Whether this process answers at all (`/healthz`), and the form of that answer."""

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import resolve
from django.views.decorators.http import require_safe


@require_safe
def alive(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - a view's signature
    """Say that this web process is up; it asks nothing of database or Redis."""
    return answer(is_ok=True)


def answer(*, is_ok: bool) -> JsonResponse:
    """200 ok or 503 not ok, and not a word more: anybody may ask."""
    response = JsonResponse({"status": "ok" if is_ok else "not ok"}, status=200 if is_ok else 503)
    # Django would log every 503 as an error of ours.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def answer_by_route(request: HttpRequest) -> HttpResponseBase:
    """Call the view of a health path at once, past all layers that mind the host name or the user."""
    match = resolve(request.path_info.removesuffix("/"))
    response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
    return response
