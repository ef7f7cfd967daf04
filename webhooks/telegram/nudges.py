"""Telling a worker, after the commit, that a bot has something to say. A hint only: the sweep repeats lost ones."""

from functools import partial
from typing import Final

from celery import current_app
from django.db import transaction

from tasks.messenger import Hint, messenger

NUDGE_LIFETIME_SECONDS: Final = 30


def nudge(bot_id: int) -> None:
    """Ask a worker to say what is due; never blocks and never fails."""
    messenger.post(Hint(1, _send, (bot_id,)))


def nudge_after_commit(bot_id: int) -> None:
    transaction.on_commit(partial(nudge, bot_id), robust=True)


def _send(bot_id: int) -> None:
    current_app.send_task("webhooks.jobs.speak", args=[bot_id], expires=NUDGE_LIFETIME_SECONDS, retry=False)
