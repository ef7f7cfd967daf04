"""Writing the audit trail. Secrets never come here: of a credential only whether one was present."""

from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.audit import chain
from accounts.models import AuditEvent, User
from accounts.models.audit_event import Outcome
from personalq.lib.current_request import current_address, current_request_id


def record(
    kind: str,
    outcome: Outcome,
    *,
    actor: User | None = None,
    owner: User | None = None,
    about: tuple[str, UUID] | None = None,
    **facts: Any,
) -> AuditEvent:
    """Write one act, in the caller's transaction if there is one.

    Address and request are those of the request being served.

    Args:
        kind: A noun and a deed, such as `door.refused`.
        outcome: How it ended.
        actor: Who did it; nobody who is known, if nobody.
        owner: Whom it concerns; the actor, if nobody else.
        about: What kind of object it is about, and its public id.
        facts: What else is worth knowing; small, of plain values, without secrets.
    """
    concerned = owner or actor
    object_kind, object_uuid = about or ("", None)
    event = AuditEvent.objects.create(
        kind=kind,
        outcome=outcome,
        actor_uuid=actor.uuid if actor else None,
        actor_name=actor.get_username() if actor else "",
        owner_uuid=concerned.uuid if concerned else None,
        object_kind=object_kind,
        object_uuid=object_uuid,
        address=current_address(),
        request_id=current_request_id(),
        facts=facts,
    )
    # Robust: what is committed has happened. What is not chained now, the next one or the sweep chains.
    transaction.on_commit(chain.extend, robust=True)
    return event
