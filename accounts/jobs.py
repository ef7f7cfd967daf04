"""The Celery functions of this app."""

import logging

from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts import known_keys, one_time_codes
from accounts.audit import chain, operating, verifying
from accounts.models import IdempotencyKey, TokenFamily
from accounts.passwords import reset_letters, resets
from accounts.sign_in import guessing
from accounts.tokens import personal_tokens

_logger = logging.getLogger("personalq.accounts")


@shared_task(name="accounts.jobs.prune")
def prune() -> None:
    """Forget sessions, sign-ins, personal tokens, one-time codes and idempotency keys that have run out."""
    now = timezone.now()
    Session.objects.filter(expire_date__lt=now).delete()
    # Until then they tell from which addresses somebody has signed in.
    TokenFamily.objects.filter(expires_at__lt=now, created_at__lt=now - guessing.KNOWN_FOR).delete()
    personal_tokens.forget_ended()
    one_time_codes.forget_ended()
    known_keys.note()
    IdempotencyKey.objects.expired().delete()


@shared_task(name=resets.JOB)
def send_reset_letters() -> None:
    """Send the links for a new password that are due: at once when somebody asks, and as a sweep."""
    reset_letters.send_due()


@shared_task(name="accounts.jobs.chain_audit")
def chain_audit() -> None:
    """Chain the rows of the audit trail whose writer died before it could."""
    chain.extend_fully()


@shared_task(name="accounts.jobs.prune_audit")
def prune_audit() -> None:
    """Remove what is too old of the audit trail, and tell its newest row where nobody can take it back."""
    removed = operating.prune()
    _logger.info("Audit trail: witness %s, %s old rows removed.", verifying.newest(), removed)
