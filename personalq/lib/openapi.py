"""How routes describe themselves in the OpenAPI document, for all apps.

Views say with ``@extend_schema`` what they take and give. What every route shares is added here: the problem
documents that it may answer with, and the ways to sign in.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Final

from django.conf import settings
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, get_doc
from drf_spectacular.utils import Direction, OpenApiParameter, OpenApiResponse
from rest_framework import serializers
from rest_framework.permissions import AllowAny

from personalq.lib.problems import PROBLEM_TYPE
from personalq.lib.view_scopes import ANY, scope_needed_by

PROBLEM_MEDIA_TYPE: Final = PROBLEM_TYPE.split(";", 1)[0]
PERSONAL_TOKEN: Final = "personalToken"
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_SENTENCES: Final = {
    400: "The body or a parameter cannot be accepted; `errors` names each field.",
    401: "Not signed in.",
    403: "Somebody else's, not permitted, or beyond the token's scopes.",
    404: "There is nothing of this id.",
    409: "It does not fit the present state; `code` says why.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "Too many requests; wait for `Retry-After` seconds.",
}


class FieldProblem(serializers.Serializer[Any]):
    """What is wrong with one field."""

    field = serializers.CharField(help_text="Such as `prompt` or `items[3].name`; empty for the whole body.")
    code = serializers.CharField(help_text="A stable word for programs.")
    message = serializers.CharField(help_text="A sentence for people.")


class Problem(serializers.Serializer[Any]):
    """An error, after RFC 9457."""

    type = serializers.CharField(help_text="`urn:personalq:problem:<code>`")
    title = serializers.CharField(help_text="What went wrong; one fixed sentence for each kind of error.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What to do about it.")
    code = serializers.CharField(help_text="A stable word for programs; docs/api.md lists all.")
    request_id = serializers.CharField(help_text="Tell it to the operator when you need help.")
    errors = FieldProblem(many=True)  # type: ignore[assignment]  # the name is RFC 9457's, not the form's


@dataclass(frozen=True, kw_only=True)
class Addition:
    """What a mixin adds to the description of a method of each view that adopts it."""

    parameters: Sequence[OpenApiParameter]
    problems: Mapping[int, str]
    """Status → sentence, which stands behind what the view itself says of it."""


class ProblemSchema(AutoSchema):
    """Adds to each operation the problems that it may answer with.

    A view declares a 409 itself, with ``@extend_schema(responses={..., **conflict("…")})``. What a mixin brings it
    names in ``additions``, a mapping of methods to `Addition`.
    """

    default_problems: ClassVar[tuple[int, ...]] = (400, 401, 403, 429)

    def get_summary(self) -> str | None:
        # ``@extend_schema(summary=…)`` goes before this.
        return re.split(r"[.:](?:\s|$)", self.get_description(), maxsplit=1)[0] or None

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        # What the class says is about all of its methods.
        return str(get_doc(getattr(self.view, self.method.lower())))

    def get_override_parameters(self) -> list[Any]:
        added = self._addition()
        return [*super().get_override_parameters(), *(added.parameters if added else ())]

    def get_auth(self) -> list[dict[str, list[str]]]:
        if any(isinstance(permission, AllowAny) for permission in self.view.get_permissions()):
            return []
        schemes = security_schemes()
        if not scope_needed_by(self.view, self.method):
            del schemes[PERSONAL_TOKEN]
        for name, definition in schemes.items():
            self.registry.register_on_missing(
                ResolvedComponent(  # type: ignore[no-untyped-call]
                    name=name, type=ResolvedComponent.SECURITY_SCHEMA, schema=definition, object=name
                )
            )
        return [{name: self._scopes() if name == PERSONAL_TOKEN else []} for name in schemes]

    def _scopes(self) -> list[str]:
        needed = scope_needed_by(self.view, self.method)
        return [] if needed == ANY else [needed]

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        # There is no public place between what views declare and what is rendered.
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for status, body in bodies.items():
            body["description"] = body["description"] or HTTPStatus(int(status)).phrase
        added = self._addition()
        for code, sentence in (added.problems if added else {}).items():
            if str(code) in bodies:
                bodies[str(code)]["description"] += f" {sentence}"
            else:
                bodies[str(code)] = self._problem_body(code, sentence, direction)
        for code in self._problem_statuses():
            if str(code) not in bodies:
                bodies[str(code)] = self._problem_body(code, _SENTENCES[code], direction)
        return dict(sorted(bodies.items()))

    def _problem_body(self, code: int, sentence: str, direction: Direction) -> dict[str, Any]:
        body: dict[str, Any] = self._get_response_for_code(  # type: ignore[no-untyped-call]
            _problem(sentence), str(code), (PROBLEM_MEDIA_TYPE,), direction
        )
        return body

    def _addition(self) -> Addition | None:
        return getattr(self.view, "additions", {}).get(self.method)

    def _problem_statuses(self) -> tuple[int, ...]:
        with_path = (404,) if "{" in self.path else ()
        with_body = (413, 415) if self.method in _WITH_BODY else ()
        return (*self.default_problems, *with_path, *with_body)


def security_schemes() -> dict[str, dict[str, str]]:
    """The ways to sign in."""
    return {
        "accessToken": {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token of POST /api/v1/auth/token.",
        },
        PERSONAL_TOKEN: {
            "type": "http",
            "scheme": "bearer",
            "description": "A personal token (`pq_…`) of POST /api/v1/tokens, with the scope that the operation names.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of the pages. Writing also needs the header X-CSRFToken.",
        },
    }


def conflict(sentence: str) -> dict[tuple[int, str], OpenApiResponse]:
    """A 409 for ``responses``; ``sentence`` says when."""
    return refusal(409, sentence)


def refusal(status: int, sentence: str) -> dict[tuple[int, str], OpenApiResponse]:
    """A refusal of this status for ``responses``; ``sentence`` says when."""
    return {(status, PROBLEM_MEDIA_TYPE): _problem(sentence)}


def no_content(sentence: str) -> dict[int, OpenApiResponse]:
    """A 204 for ``responses``."""
    return {204: OpenApiResponse(response=None, description=sentence)}


def _problem(sentence: str) -> OpenApiResponse:
    return OpenApiResponse(response=Problem, description=sentence)
