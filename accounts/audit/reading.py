"""Who may read which rows of the audit trail: the only way in to them for API and pages.

Users read what they did and what concerns them. Operators with Django's view permission may read everything.
"""

from django.db.models import Q, QuerySet

from accounts.models import AuditEvent, User
from personalq.lib.errors import PermissionDenied


def events_of(user: User) -> QuerySet[AuditEvent]:
    """What a user did, and what concerns them."""
    return AuditEvent.objects.filter(Q(owner_uuid=user.uuid) | Q(actor_uuid=user.uuid))


def everybodys_events(user: User) -> QuerySet[AuditEvent]:
    """Everything, for operators. Raises PermissionDenied for others."""
    if not (user.is_active and user.is_staff and user.has_perm("accounts.view_auditevent")):
        raise PermissionDenied
    return AuditEvent.objects.all()
