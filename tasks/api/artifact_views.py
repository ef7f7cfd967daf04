"""Artifacts: which files a task's attempts left behind, and each of them as a download that no browser will run."""

import re
from typing import Any, ClassVar, Final
from urllib.parse import quote
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from tasks import access, trail
from tasks.api.base import ObjectView
from tasks.models import Artifact, Task

DOWNLOAD_POLICY: Final = "sandbox; default-src 'none'; frame-ancestors 'none'"
"""Should a browser show a file all the same, nothing in it may load, run or submit anything."""
LONGEST_FALLBACK: Final = 100
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9._-]+")


class ArtifactDocument(serializers.Serializer[Any]):
    """A file that an attempt left behind."""

    uuid = serializers.UUIDField()
    name = serializers.CharField(help_text="Its path in the workspace, with / between the parts.")
    size = serializers.IntegerField(help_text="Bytes.")
    sha256 = serializers.CharField()
    attempt = serializers.IntegerField(help_text="The number of the attempt that left it.")
    created_at = serializers.DateTimeField()
    url = serializers.URLField(help_text="Where it can be downloaded.")


class ArtifactList(serializers.Serializer[Any]):
    """A task's artifacts, the latest attempt's first."""

    results = ArtifactDocument(many=True)


class TaskArtifacts(ObjectView[Task]):
    """The files that a task's attempts left behind."""

    scope: ClassVar[str] = "tasks"

    def fetch(self, uuid: UUID, deed: access.Deed) -> Task:
        return access.task_for(self.user, uuid, deed)

    @extend_schema(
        operation_id="list_task_artifacts",
        summary="List a task's artifacts",
        description="The latest attempt's first, by name. How many there may be is limited by the operator.",
        tags=["tasks"],
        responses={200: ArtifactList},
    )
    def get(self, request: Request, uuid: UUID) -> Response:  # noqa: ARG002 - a view's signature
        found = self.find("view").artifacts.defer("content").order_by("-attempt", "name")
        return Response({"results": [artifact_row(artifact, request) for artifact in found]})


class OneArtifact(ObjectView[Task]):
    """One file."""

    scope: ClassVar[str] = "tasks"

    def fetch(self, uuid: UUID, deed: access.Deed) -> Task:
        # Whoever may see the task may see what it left behind.
        return access.artifact_for(self.user, uuid, deed).task

    @extend_schema(
        operation_id="download_artifact",
        summary="Download an artifact",
        description="Always as an attachment of bytes, whatever it is.",
        tags=["tasks"],
        responses={
            (200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, description="The file's bytes.")
        },
    )
    def get(self, request: Request, uuid: UUID) -> HttpResponse:
        artifact = access.artifact_for(self.user, uuid)
        self.check_object_permissions(request, artifact.task)
        if request.method != "HEAD":
            trail.note_on_others("artifact_downloaded", artifact.task, self.user, artifact=str(artifact.uuid))
        return download(artifact, is_head=request.method == "HEAD")


def artifact_row(artifact: Artifact, request: Request) -> dict[str, Any]:
    """What is told of an artifact without its bytes."""
    return {
        "uuid": str(artifact.uuid),
        "name": artifact.name,
        "size": artifact.size,
        "sha256": artifact.sha256,
        "attempt": artifact.attempt,
        "created_at": artifact.created_at,
        "url": reverse("api-artifact", args=[artifact.uuid], request=request),
    }


def download(artifact: Artifact, *, is_head: bool = False) -> HttpResponse:
    """The file as an attachment. For HEAD its bytes are not even read."""
    response = HttpResponse(b"" if is_head else bytes(artifact.content), content_type="application/octet-stream")
    response.headers["Content-Length"] = str(artifact.size)
    response.headers["Content-Disposition"] = disposition_of(artifact.name)
    response.headers["Content-Security-Policy"] = DOWNLOAD_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    return response


def disposition_of(name: str) -> str:
    """The header for a file of this path: a plain name for all, and the whole one as RFC 8187 writes it."""
    last = name.rpartition("/")[2]
    fallback = _NOT_PLAIN.sub("_", last).lstrip(".")[-LONGEST_FALLBACK:] or "file"
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(last, safe='')}"
