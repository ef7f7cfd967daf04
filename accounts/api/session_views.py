"""One's own sign-ins: list and end. Only whoever signed in may: no view here declares a scope."""

from collections.abc import Callable
from typing import Any, ClassVar, Final, cast
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts import sessions
from accounts.api import session_forms as forms
from accounts.api.base import ApiView, Deed, ObjectView, read_body
from accounts.identity import Identity
from accounts.models import TokenFamily
from personalq.lib.fields import NoBody
from personalq.lib.openapi import no_content
from personalq.lib.pagination import PageParameters
from personalq.lib.queries import ListQuery

WRITE_LIMIT: Final = ("session-change", "PERSONALQ_RATE_SESSION_CHANGE")


class SessionList(ApiView):
    """Your sign-ins."""

    query_class = ListQuery

    @extend_schema(
        operation_id="list_sessions",
        summary="List your sign-ins",
        description="Sessions of browsers and tokens of programs that signed in with your password.",
        tags=["sessions"],
        parameters=[PageParameters],
        responses={200: forms.SessionPage},
    )
    def get(self, request: Request) -> Response:
        return self.page(sessions.sessions_of(self.user), session_row(request))


class OneSession(ObjectView[TokenFamily]):
    """One sign-in."""

    rate_limits: ClassVar = {"DELETE": WRITE_LIMIT}

    def fetch(self, uuid: UUID, deed: Deed) -> TokenFamily:  # noqa: ARG002 - whose it is decides both
        return sessions.session_for(self.user, uuid)

    @extend_schema(
        operation_id="end_session",
        summary="End a sign-in",
        description="Its session, its tokens and their sockets end. Repeating it is harmless.",
        tags=["sessions"],
        responses=no_content("The sign-in has ended."),
    )
    def delete(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        sessions.end(actor=self.user, session=self.find("change"))
        return Response(status=204)


class OtherSessions(ApiView):
    """All sign-ins but the one that asks."""

    rate_limits: ClassVar = {"POST": WRITE_LIMIT}

    @extend_schema(
        operation_id="end_other_sessions",
        summary="End all other sign-ins",
        description="All but the one by which this request came. Personal tokens go on.",
        tags=["sessions"],
        request=NoBody,
        responses={200: forms.EndedSessions},
    )
    def post(self, request: Request) -> Response:
        read_body(NoBody, request)
        ended = sessions.end_others(actor=self.user, kept=_this_one(request))
        return Response({"ended": ended})


def _this_one(request: Request) -> UUID | None:
    # A session brings no identity; DRF declares a token of its own here.
    return sessions.this_one(request._request, cast("Identity | None", request.auth))


def session_row(request: Request) -> Callable[[TokenFamily], dict[str, Any]]:
    """A sign-in as its owner sees it."""
    base = reverse("api-sessions", request=request)
    this_one = _this_one(request)

    def represent(family: TokenFamily) -> dict[str, Any]:
        return {
            "uuid": family.uuid,
            "kind": family.kind,
            "is_this_one": family.uuid == this_one,
            "address": family.address,
            "user_agent": family.user_agent,
            "created_at": family.created_at,
            "last_used_at": family.last_used_at,
            "expires_at": family.expires_at,
            "url": f"{base}/{family.uuid}",
        }

    return represent
