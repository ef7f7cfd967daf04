"""People who are not linked: nobody answers them, and the audit trail mentions each chat at most once an hour."""

import hashlib
from datetime import timedelta
from typing import Final

from django.db import connection
from django.db.models.functions import Now

from accounts import audit
from accounts.models import AuditEvent
from accounts.models.audit_event import Outcome
from webhooks.models import TelegramBot
from webhooks.telegram.updates import Place

KIND: Final = "telegram.stranger"
NOTED_EVERY: Final = timedelta(hours=1)


def note(bot: TelegramBot, place: Place) -> None:
    """Mention a stranger in the audit trail, in the caller's transaction."""
    _let_nobody_else_note(bot, place)
    lately = AuditEvent.objects.filter(at__gt=Now() - NOTED_EVERY, kind=KIND, object_uuid=bot.door.uuid)
    if not lately.filter(facts__chat=place.chat_id).exists():
        audit.record(
            KIND,
            Outcome.DENIED,
            owner=bot.door.owner,
            about=("door", bot.door.uuid),
            chat=place.chat_id,
            sender=place.sender_id,
        )


def _let_nobody_else_note(bot: TelegramBot, place: Place) -> None:
    digest = hashlib.blake2b(f"{bot.pk}:{place.chat_id}".encode(), digest_size=8, person=b"stranger").digest()
    first, second = int.from_bytes(digest[:4], signed=True), int.from_bytes(digest[4:], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [first, second])
