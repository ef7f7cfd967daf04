"""What the audit trail tells of acts in the admin: every one that Django's own log tells, and more of users.

Names of fields, never what is in them.
"""

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from django.db.models import Model
from django.dispatch import receiver
from django.http import HttpRequest

from accounts import audit
from accounts.models import User
from accounts.models.audit_event import Outcome
from accounts.refusals import noun_of
from personalq.lib.admin import acted

POWERS: Final = frozenset({"is_staff", "is_superuser", "groups", "user_permissions"})


@receiver(acted, dispatch_uid="audit admin acts")
def note_act(request: HttpRequest, deed: str, item: Model, message: Any, **_: Any) -> None:
    """One act on one object: `admin.added`, `admin.changed` or `admin.deleted`."""
    audit.record(
        f"admin.{deed}",
        Outcome.DONE,
        actor=_actor(request),
        owner=_owner_of(item),
        about=_about(item),
        model=item._meta.label_lower,
        key=str(item.pk),
        **_told_by(message),
    )


def note_user(request: HttpRequest, user: User, changed: Collection[str], *, is_new: bool) -> None:
    """An account was made or changed in the admin.

    Args:
        request: The operator's.
        user: The account.
        changed: The names of the form's fields that are different now.
        is_new: Whether it was made just now.
    """
    names = set(changed)
    if is_new:
        _record("made", request, user)
    elif "is_active" in names:
        _record("reactivated" if user.is_active else "deactivated", request, user)
    if names & POWERS:
        _record("role_changed", request, user, fields=sorted(names & POWERS))
    others = names - POWERS - {"is_active"}
    if others and not is_new:
        _record("changed", request, user, fields=sorted(others))


def note_user_deleted(request: HttpRequest, user: User) -> None:
    """An account is about to be deleted."""
    _record("deleted", request, user)


def _record(deed: str, request: HttpRequest, user: User, **facts: Any) -> None:
    about = ("user", user.uuid)
    audit.record(f"user.{deed}", Outcome.DONE, actor=_actor(request), owner=user, about=about, by="admin", **facts)


def _actor(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


def _owner_of(item: Model) -> User | None:
    candidates = (item, getattr(item, "owner", None), getattr(item, "user", None))
    return next((each for each in candidates if isinstance(each, User)), None)


def _about(item: Model) -> tuple[str, UUID] | None:
    uuid = getattr(item, "uuid", None)
    return (noun_of(item), uuid) if isinstance(uuid, UUID) else None


def _told_by(message: Any) -> dict[str, Any]:
    """What an act's message says without what is in fields: Django names inline objects by their text."""
    if isinstance(message, str):
        return {"words": message}
    parts = [part for each in message or () for part in each.values()]
    fields = sorted({str(name) for part in parts for name in part.get("fields", ())})
    return {"fields": fields} if fields else {}
