"""Whether the whole product can work: one word for everybody, the reasons for operators."""

import logging
from typing import Any, ClassVar

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from personalq.lib import health
from personalq.lib.errors import PermissionDenied
from personalq.lib.readiness import Report
from tasks import access, readiness
from tasks.api import documents
from tasks.api.base import ApiView
from tasks.models import Heartbeat

logger = logging.getLogger(__name__)


@require_safe
def ready(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - a view's signature
    """Say whether database, Redis, workers and sweep are at work and no queue is stuck; nothing about which is not."""
    try:
        is_ready = readiness.lookout.report().is_ready
    except Exception:
        # Whoever asks needs an answer and not an error: what cannot be found out is not ready.
        logger.exception("Readiness could not be found out.")
        is_ready = False
    return health.answer(is_ok=is_ready)


class Readiness(ApiView):
    """What works and what does not."""

    scope: ClassVar[str] = "operator"

    @extend_schema(
        operation_id="get_readiness",
        summary="Read what works and what does not",
        description="For operators, at most a second old. `/readyz` says the same in one word to everybody.",
        tags=["about"],
        responses={200: documents.Readiness},
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 - a view's signature
        if not access.is_operator_for(self.user, Heartbeat, "view"):
            raise PermissionDenied("Only operators may read this. GET /readyz says in one word whether all is well.")
        return Response(_represent(readiness.lookout.report()))


def _represent(report: Report) -> dict[str, Any]:
    return {
        "is_ready": report.is_ready,
        "checks": [{"name": check.name, "is_ok": check.is_ok, "facts": dict(check.facts)} for check in report.checks],
    }
