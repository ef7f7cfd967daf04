"""One endpoint's turn: what is due is sent in the order of the events, for a limited time."""

import asyncio
import logging
import time
from typing import Final

from django.views.decorators.debug import sensitive_variables

from personalq.lib.current_request import RequestMark, serving
from personalq.lib.http import calling_for
from tasks.database_threads import DatabaseThreads
from webhooks.models import Delivery
from webhooks.outbound import calls, leases, notes
from webhooks.outbound.leases import Lease

TURN_SECONDS: Final = 10.0
"""After this long no further call is begun; the endpoint goes to the end of the line."""
MOST_IN_A_TURN: Final = 200
BATCH: Final = 20

_logger = logging.getLogger(__name__)


async def carry_out(endpoint_id: int, database: DatabaseThreads, sender: calls.Client) -> bool:
    """Send what is due to an endpoint unless somebody else does; tells whether something is left to be sent now.

    The first failure ends the turn: the endpoint is held then, so a dead one keeps a place no longer than one call.
    """
    lease = await database.run(leases.take, endpoint_id=endpoint_id)
    if lease is None:
        return False
    try:
        await _send_due(lease, database, sender)
    except asyncio.CancelledError:
        await database.run(leases.release, lease=lease)
        raise
    return await database.run(leases.release, lease=lease)


@sensitive_variables()
async def _send_due(lease: Lease, database: DatabaseThreads, sender: calls.Client) -> None:
    stop_at, left = time.monotonic() + TURN_SECONDS, MOST_IN_A_TURN
    while left > 0:
        batch = await database.run(leases.next_due, lease=lease, limit=min(BATCH, left))
        for delivery in batch:
            if time.monotonic() >= stop_at:
                return
            with serving(RequestMark(delivery.request_id)), calling_for(lease.cause):
                if not await _send(lease, delivery, database, sender):
                    return
        left -= len(batch)
        if not batch:
            return


@sensitive_variables()
async def _send(lease: Lease, delivery: Delivery, database: DatabaseThreads, sender: calls.Client) -> bool:
    """Send one delivery and note what came of it; False when the turn is over."""
    answer = await calls.send(sender, lease, delivery=delivery.uuid, body=delivery.body)
    _logger.info("delivery %s was answered: %s", delivery.uuid, answer.status or answer.code)
    # Noted at once: what was sent and not noted is sent again.
    return await database.run(notes.note, endpoint_id=lease.endpoint_id, delivery_id=delivery.pk, answer=answer)
