"""Secrets of doors: made, kept sealed, replaced, and compared with what senders show.

No two doors have equal ones, and none equals a secret of the installation. That is known by keyed digests, without
opening what is sealed.
"""

import base64
import logging
import re
import secrets as randomness
from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils.crypto import constant_time_compare, salted_hmac
from django.views.decorators.debug import sensitive_variables

from accounts import audit
from accounts.models import User
from accounts.models.audit_event import Outcome
from personalq.lib import sealing
from personalq.lib.constraints import conflicts
from personalq.lib.errors import Conflict, InvalidInput, NotFound
from personalq.lib.shared_secrets import SHORTEST_SECRET, is_fit_to_prove, verify_secret
from webhooks.doors.signatures import standard
from webhooks.models import Door, DoorKind, DoorSecret

__all__ = [
    "checked", "digest_of", "door_by_secret", "keep", "new_secret", "renew_digests", "rotate", "valid_secrets",
    "verify_secret",
]  # fmt: skip

FIELD: Final = "sealed_secret"
LONGEST_SECRET: Final = 256
LONGEST_OVERLAP_SECONDS: Final = 30 * 24 * 3600
RANDOM_BYTES: Final = 32
_STANDARD_BYTES: Final = range(24, 65)
_VISIBLE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_OF_TELEGRAM: Final = re.compile(r"[A-Za-z0-9_-]+")

_logger = logging.getLogger(__name__)


class SecretInUse(Conflict):
    """Another door, or the installation itself, has this secret."""

    code = "secret_in_use"
    title = "This secret is in use elsewhere."
    advice = "Give each door a secret of its own. Leave it out, and one is made for you."


@sensitive_variables()
def new_secret(kind: str) -> str:
    """A fresh one of 256 random bits, in the form that senders of this kind take."""
    if kind == DoorKind.STANDARD:
        return standard.SECRET_MARK + base64.b64encode(randomness.token_bytes(RANDOM_BYTES)).decode()
    return randomness.token_urlsafe(RANDOM_BYTES)


@sensitive_variables()
def checked(kind: str, text: object) -> str:
    """A secret that its owner brings. Raises InvalidInput naming `secret`, without the secret."""
    if not isinstance(text, str):
        raise _wrong("invalid", "Send the secret as a string.")
    if len(text) > LONGEST_SECRET:
        raise _wrong("max_length", f"Use at most {LONGEST_SECRET} characters.")
    if not is_fit_to_prove(text):
        raise _wrong("min_length", f"Use at least {SHORTEST_SECRET} characters.")
    if not _VISIBLE.fullmatch(text):
        raise _wrong("characters", "Use visible ASCII characters, without spaces at either end.")
    _check_form(kind, text)
    return text


@sensitive_variables()
def valid_secrets(door: Door) -> list[str]:
    """The door's secrets that count now, opened, newest first. One that cannot be opened is left out, and logged."""
    opened = [_opened(row) for row in DoorSecret.objects.valid().filter(door_id=door.pk)]
    return [plain for plain in opened if plain]


@sensitive_variables()
def digest_of(text: str) -> str:
    """What equal secrets are known by: an HMAC-SHA256, in hexadecimal, under a key made from SECRET_KEY for this."""
    # With and without mark and padding it is the same key.
    plain = text.removeprefix(standard.SECRET_MARK).rstrip("=")
    return salted_hmac("webhooks.DoorSecret", plain, algorithm="sha256").hexdigest()


@sensitive_variables()
def door_by_secret(text: str, *, kinds: Collection[str]) -> Door | None:
    """The open door of these kinds whose secret it is, for addresses that name none."""
    if not is_fit_to_prove(text):
        return None
    rows = DoorSecret.objects.valid().filter(digest=digest_of(text), door__kind__in=kinds, door__is_open=True)
    found = rows.filter(door__owner__is_active=True).select_related("door__owner", "door__agent", "door__queue").first()
    return found.door if found else None


@sensitive_variables()
def keep(door: Door, plain: str) -> DoorSecret:
    """Make a checked secret the door's present one, in the caller's transaction. Raises SecretInUse."""
    _refuse_secrets_of_settings(plain)
    row = DoorSecret(door=door, digest=digest_of(plain))
    row.sealed_secret = sealing.seal(plain, context=sealing.context_of(row, FIELD))
    with conflicts(taken=SecretInUse()):
        row.save()
    return row


@sensitive_variables()
def rotate(*, actor: User, door: Door, keep_old_seconds: int, secret: str = "") -> str:
    """Give a door a new secret, which is returned this once; the ones before count for `keep_old_seconds` more.

    Zero ends them at once. Without `secret` one is made. Older ones never get more time than they had.

    Raises InvalidInput naming the field, SecretInUse, and NotFound when the door was deleted meanwhile.
    """
    if not 0 <= keep_old_seconds <= LONGEST_OVERLAP_SECONDS:
        raise InvalidInput.for_field(
            "keep_old_seconds", "out_of_range", f"Send a number from 0 to {LONGEST_OVERLAP_SECONDS}."
        )
    plain = checked(door.kind, secret) if secret else new_secret(door.kind)
    with transaction.atomic():
        if not Door.objects.select_for_update(no_key=True).filter(pk=door.pk).exists():
            raise NotFound
        _end_older_ones(door, keep_old_seconds)
        keep(door, plain)
        about = ("door", door.uuid)
        audit.record(
            "door.rotated", Outcome.DONE, actor=actor, owner=door.owner, about=about, keep_old_seconds=keep_old_seconds
        )
    return plain


def forget_ended() -> int:
    """Delete secrets whose time is over, so that their text may be used again. Returns how many."""
    return DoorSecret.objects.filter(valid_until_at__lte=Now()).delete()[0]


@sensitive_variables()
def renew_digests() -> int:
    """Digest all secrets anew, after SECRET_KEY was changed. Returns how many had another digest."""
    changed = 0
    for row in DoorSecret.objects.all().iterator():
        if plain := _opened(row):
            digest = digest_of(plain)
            changed += DoorSecret.objects.filter(pk=row.pk).exclude(digest=digest).update(digest=digest)
    return changed


def _end_older_ones(door: Door, keep_old_seconds: int) -> None:
    ends_at = Now() + timedelta(seconds=keep_old_seconds)
    rows = DoorSecret.objects.filter(door_id=door.pk)
    rows.filter(valid_until_at__gt=ends_at).update(valid_until_at=ends_at)
    rows.filter(valid_until_at__isnull=True).update(valid_until_at=ends_at)


@sensitive_variables()
def _opened(row: Any) -> str:
    try:
        return sealing.unseal(row.sealed_secret, context=sealing.context_of(row, FIELD))
    except sealing.SealBroken as error:
        _logger.error("the secret %s of a door cannot be read: %s", row.uuid, error)  # noqa: TRY400 - it says all
        return ""


@sensitive_variables()
def _check_form(kind: str, text: str) -> None:
    if kind == DoorKind.TELEGRAM and not _OF_TELEGRAM.fullmatch(text):
        raise _wrong("characters", "Telegram takes letters, digits, _ and - only.")
    if kind == DoorKind.STANDARD and len(standard.key_in(text)) not in _STANDARD_BYTES:
        least, most = _STANDARD_BYTES[0], _STANDARD_BYTES[-1]
        raise _wrong("form", f"Send {least} to {most} bytes in base64, with or without whsec_ in front.")


@sensitive_variables()
def _refuse_secrets_of_settings(plain: str) -> None:
    if any([constant_time_compare(plain, each) for each in _secrets_of_settings()]):  # noqa: C419 - all are compared
        raise SecretInUse


def _secrets_of_settings() -> Iterator[str]:
    values = [
        settings.SECRET_KEY,
        settings.JWT_SIGNING_KEY,
        settings.JWT_OLD_SIGNING_KEY,
        *settings.PERSONALQ_ENCRYPTION_KEYS,
        *settings.PERSONALQ_AUDIT_KEYS,
        settings.DATABASES["default"].get("PASSWORD"),
        urlsplit(settings.REDIS_LAYER_URL).password,
    ]
    return (value for value in values if value)


def _wrong(code: str, message: str) -> InvalidInput:
    return InvalidInput.for_field("secret", code, message)
