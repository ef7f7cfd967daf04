"""The link by which an e-mail's reader wants no more of them.

It needs no sign-in, as RFC 8058 has it, so it can do just this one thing: its token names a choice and the choice's
epoch, is signed, and is worth nothing after any later change.
"""

from typing import Final
from urllib.parse import urlencode

from django.conf import settings
from django.core import signing
from django.urls import reverse

from webhooks.models import NoticeChoice

_SALT: Final = "webhooks.notices.off"
LONGEST_AGE_SECONDS: Final = 90 * 24 * 3600


def address_of(choice: NoticeChoice) -> str:
    """The whole address, under PERSONALQ_PUBLIC_URL."""
    token = signing.dumps([choice.uuid.hex, choice.epoch], salt=_SALT)
    # In the query, which no log of ours repeats.
    return f"{settings.PERSONALQ_PUBLIC_URL}{reverse('notices-off')}?{urlencode({'token': token})}"


def find(token: str) -> NoticeChoice | None:
    """Whose choice the token is about; None when it is forged, old or followed by another choice."""
    try:
        uuid, epoch = signing.loads(token, salt=_SALT, max_age=LONGEST_AGE_SECONDS)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return NoticeChoice.objects.filter(uuid=uuid, epoch=epoch).first()
