"""Doors as clients of the API see them."""

from collections.abc import Callable
from typing import Any

from django.db.models import Prefetch, QuerySet
from rest_framework.request import Request
from rest_framework.reverse import reverse

from tasks.models import Agent, Queue
from webhooks.doors import keeping
from webhooks.doors.intake import Expected
from webhooks.models import Door, DoorSecret, InboundRequest

_SAME = (
    "uuid", "name", "kind", "is_open", "instruction", "template", "title_template", "signature_header",
    "signature_prefix", "signature_digest", "signature_encoding", "timestamp_header", "id_header", "created_at",
    "updated_at", "last_used_at", "last_refused_at",
)  # fmt: skip


def door_rows(rows: QuerySet[Door]) -> QuerySet[Door]:
    """The rows with what a representation needs."""
    counting = Prefetch("secrets", queryset=DoorSecret.objects.valid(), to_attr="counting")
    return rows.select_related("owner", "agent", "queue").prefetch_related(counting)


def door_row(request: Request) -> Callable[[Door], dict[str, Any]]:
    """A door without its secrets."""
    base = reverse("api-doors", request=request)

    def represent(door: Door) -> dict[str, Any]:
        counting = getattr(door, "counting", None)
        secrets = list(DoorSecret.objects.valid().filter(door_id=door.pk)) if counting is None else counting
        return {
            **{name: getattr(door, name) for name in _SAME},
            "address": keeping.address_of(door),
            "agent": _reference(door.agent),
            "queue": _reference(door.queue),
            "has_secret": bool(secrets),
            "secrets": [{"created_at": one.created_at, "valid_until_at": one.valid_until_at} for one in secrets],
            "owner": door.owner.get_username(),
            "url": f"{base}/{door.uuid}",
        }

    return represent


def request_row(row: InboundRequest) -> dict[str, Any]:
    """A request that was let in."""
    task = row.task.uuid if row.task else None
    return {"request_id": row.key, "outcome": row.outcome, "code": row.code, "task": task, "at": row.at}


def preview_row(expected: Expected) -> dict[str, Any]:
    """What a payload would come to."""
    wanted = expected.wanted
    return {
        "outcome": expected.outcome,
        "reason": expected.reason,
        "title": wanted.title,
        "prompt": wanted.prompt,
        "untrusted_text": wanted.untrusted_text,
        "trusted": wanted.is_trusted,
        "origin": wanted.origin,
        "missing": wanted.missing,
        "cut": wanted.is_cut,
        "suspicion": expected.suspicion,
    }


def _reference(found: Agent | Queue | None) -> dict[str, Any] | None:
    return {"uuid": found.uuid, "name": found.name} if found else None
