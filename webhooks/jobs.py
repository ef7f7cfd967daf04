"""The Celery functions of this app."""

from typing import Any

from celery import shared_task
from celery.signals import worker_shutdown

from webhooks.doors import replay, secrets
from webhooks.notices import sending as notices
from webhooks.outbound import deliveries, leases, sender
from webhooks.telegram import links, recordings, replies, turns, webhook
from webhooks.telegram.listeners import listeners
from webhooks.telegram.speakers import speakers


@shared_task(name="webhooks.jobs.send_notices")
def send_notices() -> None:
    """Send the e-mails with notices that are due."""
    notices.send_due()


@shared_task(name="webhooks.jobs.prune")
def prune() -> None:
    """Forget what nobody looks at any more."""
    replay.forget_old()
    secrets.forget_ended()
    notices.forget_old()
    deliveries.forget_old()
    links.forget_codes()
    replies.forget_old()
    recordings.forget_old()


@shared_task(name="webhooks.jobs.send_deliveries")
def send_deliveries(endpoint_id: int, owner_id: int) -> None:
    """Send what is due to an endpoint; the sending itself goes on after this returns."""
    sender.current().deliver(endpoint_id, owner_id)


@shared_task(name="webhooks.jobs.send_due_deliveries")
def send_due_deliveries() -> None:
    """Send to every endpoint what is due, whatever became of the hints."""
    for endpoint_id, owner_id in leases.due_endpoints():
        sender.current().deliver(endpoint_id, owner_id)


@shared_task(name="webhooks.jobs.listen")
def listen() -> None:
    """Listen to recordings that are due; the listening itself goes on after this returns."""
    if recordings.is_any_due():
        listeners.wake()


@shared_task(name="webhooks.jobs.speak")
def speak(bot_id: int) -> None:
    """Say what a bot has to say; the speaking itself goes on after this returns."""
    speakers.take(bot_id)


@shared_task(name="webhooks.jobs.renew_webhooks")
def renew_webhooks() -> None:
    """Tell Telegram secrets that it does not know yet."""
    webhook.renew()


@shared_task(name="webhooks.jobs.speak_where_due")
def speak_where_due() -> None:
    """Say what is due, whatever became of the hints: also what is looked at again after a while."""
    for bot_id in turns.bots_with_work():
        speakers.take(bot_id)


@worker_shutdown.connect
def end(**_: Any) -> None:
    sender.shut_down()
