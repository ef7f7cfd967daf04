"""Reading what tests have left in the audit trail."""

from typing import Any

from accounts.models import AuditEvent, User


def rows(kind: str) -> list[AuditEvent]:
    """Those of a kind, oldest first."""
    return list(AuditEvent.objects.filter(kind=kind).order_by("id"))


def only(kind: str) -> AuditEvent:
    """The one row of a kind."""
    found = rows(kind)
    assert len(found) == 1, [str(one) for one in AuditEvent.objects.order_by("id")]
    return found[0]


def deeds(prefix: str) -> list[str]:
    """Kinds that begin so, oldest first."""
    found = AuditEvent.objects.filter(kind__startswith=prefix).order_by("id")
    return list(found.values_list("kind", flat=True))


def told(event: AuditEvent) -> tuple[str, str, Any, Any, str, Any]:
    """Outcome, actor, whose it is, and which object."""
    names = {user.uuid: user.username for user in User.objects.all()}
    owner = names.get(event.owner_uuid) if event.owner_uuid else None
    return (event.outcome, event.actor_name, event.actor_uuid, owner, event.object_kind, event.object_uuid)
