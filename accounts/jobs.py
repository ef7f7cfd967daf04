"""The Celery functions of this app."""

from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts import personal_tokens
from accounts.models import IdempotencyKey, TokenFamily


@shared_task(name="accounts.jobs.prune")
def prune() -> None:
    """Forget sessions, sign-ins, personal tokens and idempotency keys that have run out."""
    now = timezone.now()
    Session.objects.filter(expire_date__lt=now).delete()
    TokenFamily.objects.filter(expires_at__lt=now).delete()
    personal_tokens.forget_ended()
    IdempotencyKey.objects.expired().delete()
