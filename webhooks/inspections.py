"""What doors are inspected for: whether their secrets can still be told from one another."""

from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from personalq.lib import sealing
from personalq.lib.inspection import Result, Scene, bad, fine, inspection
from webhooks.doors import secrets
from webhooks.models import DoorSecret


@inspection(
    "secrets.doors",
    "medium",
    looks_at="Whether the digests of doors' secrets were made with the present SECRET_KEY. With older ones equal "
    "secrets are not found, and doors whose address names none are not either.",
    advice="Run `manage.py renew_door_digests`.",
    seconds=300,
)
@sensitive_variables()
def door_digests(_: Scene) -> Result:
    older = sum(1 for row in DoorSecret.objects.all().iterator() if not _is_current(row))
    if older:
        return bad("medium", f"{older} digests are older than SECRET_KEY.", count=older)
    return fine("All digests of doors' secrets are current.")


@sensitive_variables()
def _is_current(row: DoorSecret) -> bool:
    """What cannot be opened counts as current here: `secrets.unreadable` tells of it."""
    try:
        plain = sealing.unseal(row.sealed_secret, context=sealing.context_of(row, secrets.FIELD))
    except sealing.SealBroken:
        return True
    return constant_time_compare(secrets.digest_of(plain).encode(), row.digest.encode())
