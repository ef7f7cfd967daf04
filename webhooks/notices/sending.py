"""Sending the letters that are due: after the commit of what they tell, never within a transaction."""

import logging
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from webhooks.models import Notice, NoticeChoice
from webhooks.notices.letters import MOST_LINES, letter

LEASE: Final = timedelta(minutes=2)
LETTERS_IN_A_TURN: Final = 20
LONGEST_WAIT: Final = timedelta(hours=1)
KEPT: Final = timedelta(days=7)

_logger = logging.getLogger(__name__)


def send_due() -> int:
    """Send what is due, some letters in one turn; returns how many went out."""
    if not settings.PERSONALQ_EMAIL_IS_ON:
        return 0
    sent = 0
    for _ in range(LETTERS_IN_A_TURN):
        choice = _take_next()
        if choice is None:
            break
        sent += _send(choice)
    return sent


def forget_old() -> None:
    """Delete what was told, or could not be, a week ago."""
    Notice.objects.filter(created_at__lt=Now() - KEPT).delete()


@transaction.atomic
def _take_next() -> NoticeChoice | None:
    free = NoticeChoice.objects.due().select_for_update(skip_locked=True, of=("self",))
    choice = free.select_related("owner").order_by("due_at").first()
    if choice is not None:
        NoticeChoice.objects.filter(pk=choice.pk).update(claimed_until_at=Now() + LEASE)
    return choice


def _send(choice: NoticeChoice) -> int:
    waiting = Notice.objects.filter(owner_id=choice.owner_id, sent_at__isnull=True)
    total = waiting.count()
    notices = [*waiting.select_related("task").order_by("id")[:MOST_LINES]]
    last = waiting.order_by("-id").values_list("id", flat=True).first()
    is_told = bool(choice.owner.email and choice.owner.is_active)
    try:
        if notices and is_told:
            letter(choice, notices, total=total).send()
    except OSError as error:
        # SMTP errors are OSErrors, too. What the server said may repeat what was said to it.
        _put_off(choice, type(error).__name__)
        return 0
    _note_sent(choice, last)
    return int(bool(notices and is_told))


@transaction.atomic
def _note_sent(choice: NoticeChoice, last: int | None) -> None:
    current = NoticeChoice.objects.select_for_update().get(pk=choice.pk)
    waiting = Notice.objects.filter(owner_id=choice.owner_id, sent_at__isnull=True)
    if last is not None:
        waiting.filter(pk__lte=last).update(sent_at=Now())
    minutes = timedelta(minutes=current.batch_minutes)
    due_at = Now() + minutes if waiting.exists() else None
    NoticeChoice.objects.filter(pk=choice.pk).update(due_at=due_at, claimed_until_at=None, failures=0)


def _put_off(choice: NoticeChoice, reason: str) -> None:
    wait = min(LONGEST_WAIT, timedelta(seconds=30 * 2 ** min(choice.failures, 10)))
    _logger.warning("an e-mail with notices could not be sent (%s); next try in %s", reason, wait)
    NoticeChoice.objects.filter(pk=choice.pk).update(
        due_at=Now() + wait, claimed_until_at=None, failures=F("failures") + 1
    )
