"""The Celery functions of this app."""

from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.models import TokenFamily


@shared_task(name="accounts.jobs.prune")
def prune() -> None:
    """Forget sessions and sign-ins that have run out."""
    now = timezone.now()
    Session.objects.filter(expire_date__lt=now).delete()
    TokenFamily.objects.filter(expires_at__lt=now).delete()
