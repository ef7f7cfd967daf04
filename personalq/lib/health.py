"""Whether the process answers at all."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

HEALTH_PATH = "/healthz"


@require_safe
def alive(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - a view's signature
    """Say that this web process is up; it asks nothing of database or Redis."""
    return JsonResponse({"status": "ok"})
