"""Writing the audit trail. Secrets never come here: of a credential only whether one was present."""

from typing import Any, Final
from uuid import UUID, uuid4

from django.db import transaction

from accounts.audit import chain, keys
from accounts.models import AuditEvent, User
from accounts.models.audit_event import Outcome
from personalq.lib.current_request import current_address, current_request_id

LONGEST_TEXT: Final = 500
MOST_ITEMS: Final = 50
DEEPEST: Final = 4


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
        facts: What else is worth knowing; small, of plain values, without secrets. Texts are cut at 500 characters.
    """
    concerned = owner or actor
    object_kind, object_uuid = about or ("", None)
    event = AuditEvent(
        uuid=uuid4(),
        kind=kind,
        outcome=outcome.value,
        actor_uuid=actor.uuid if actor else None,
        actor_name=actor.get_username() if actor else "",
        owner_uuid=concerned.uuid if concerned else None,
        object_kind=object_kind,
        object_uuid=object_uuid,
        address=_tame(current_address())[:64],
        request_id=current_request_id(),
        facts=_tame(facts),
    )
    event.origin = keys.origin_of(event, keys.first_key())
    event.save(force_insert=True)
    # Robust: what is committed has happened. What is not chained now, the next one or the sweep chains.
    transaction.on_commit(chain.extend, robust=True)
    return event


def _tame(value: Any, depth: int = 0) -> Any:
    """The value as PostgreSQL keeps and gives back JSON, so that its hash stays the same."""
    if value is None or isinstance(value, bool | int):
        return value
    if depth < DEEPEST and isinstance(value, dict):
        return {_tame(str(name)): _tame(each, depth + 1) for name, each in list(value.items())[:MOST_ITEMS]}
    if depth < DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_tame(each, depth + 1) for each in list(value)[:MOST_ITEMS]]
    # NUL and lone surrogates are what no column takes.
    text = str(value).replace("\x00", "\ufffd")[:LONGEST_TEXT]
    return text.encode(errors="replace").decode()
