"""Telling a worker, after the commit, that an endpoint has something to get. Only a hint: the sweep makes up for it."""

from typing import Final

from celery import current_app

from tasks.messenger import Hint, messenger

LIFETIME_SECONDS: Final = 60
# After what stops and starts tasks.
_URGENCY: Final = 2


def nudge(endpoint_id: int, owner_id: int) -> None:
    """Ask a worker to send what is due. Never blocks and never fails."""
    messenger.post(Hint(_URGENCY, _send, (endpoint_id, owner_id)))


def _send(endpoint_id: int, owner_id: int) -> None:
    current_app.send_task(
        "webhooks.jobs.send_deliveries", args=[endpoint_id, owner_id], expires=LIFETIME_SECONDS, retry=False
    )
