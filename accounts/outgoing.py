"""Calls that were refused because they led into a network of ours, in the audit trail: one row an hour of each host."""

from datetime import timedelta
from functools import partial
from typing import Any, Final

from django.dispatch import receiver

from accounts.audit.seldom import record_seldom
from accounts.models import User
from accounts.models.audit_event import Outcome
from personalq.lib import afterwards
from personalq.lib.http import Cause, call_blocked

KIND: Final = "outgoing.blocked"
NOTED_EVERY: Final = timedelta(hours=1)


@receiver(call_blocked, dispatch_uid="accounts.outgoing")
def _note(*, host: str, reason: str, cause: Cause | None, **_: Any) -> None:
    if cause is not None:
        # It may be an event loop that is called on, where nothing may ask the database.
        afterwards.put_off(partial(_write, host, reason, cause))


def _write(host: str, reason: str, cause: Cause) -> None:
    record_seldom(
        KIND,
        Outcome.DENIED,
        within=NOTED_EVERY,
        owner=User.objects.filter(pk=cause.owner_id).first() if cause.owner_id is not None else None,
        # Not the object: an owner's many tasks may all call the same host.
        same={"host": host},
        reason=reason,
        caused_by=cause.noun,
        uuid=str(cause.uuid),
    )
