"""Who may see and end which personal token: the only way in to them for API, pages and admin alike.

Users see and end their own. Operators with Django's permissions see and end everybody's, because a stolen one has to
be ended by whoever notices. Nobody sees the text of a token again.
"""

from typing import Final, Literal
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import PersonalToken, User
from accounts.refusals import not_yours
from personalq.lib.errors import NotFound, PermissionDenied

Deed = Literal["view", "change"]
_PERMISSIONS: Final = {"view": "accounts.view_personaltoken", "change": "accounts.change_personaltoken"}


def tokens_of(user: User) -> QuerySet[PersonalToken]:
    """A user's own, with those that have ended lately."""
    return PersonalToken.objects.filter(user=user).select_related("user")


def everybodys_tokens(user: User) -> QuerySet[PersonalToken]:
    """Everybody's, for operators. Raises PermissionDenied for others."""
    if not is_operator_for(user, "view"):
        raise PermissionDenied
    return PersonalToken.objects.select_related("user")


def token_for(user: User, uuid: UUID, deed: Deed = "view") -> PersonalToken:
    """The token of this id. Raises NotFound, or NotYours when it belongs to somebody else."""
    found = PersonalToken.objects.select_related("user").filter(uuid=uuid).first()
    if found is None:
        raise NotFound
    if found.user_id != user.pk and not is_operator_for(user, deed):
        raise not_yours(user, found, owner=found.user)
    return found


def is_operator_for(user: User, deed: Deed) -> bool:
    """Whether a user may do this with everybody's tokens. To `change` one is to revoke it."""
    return user.is_active and user.is_staff and user.has_perm(_PERMISSIONS[deed])
