"""Who may see and use which credential: the only way in to them for API, pages and admin alike.

Only owners use and change their credentials. Operators with Django's view permission may see what others have,
which never holds the secret.
"""

from typing import Any, Literal
from uuid import UUID

from django.db.models import BigIntegerField, Count, Model, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from accounts.models import Credential, User
from accounts.refusals import not_yours
from personalq.lib.errors import NotFound
from personalq.lib.identifiers import as_uuid

Deed = Literal["view", "change"]


def credentials_of(user: User) -> QuerySet[Credential]:
    """A user's own."""
    return Credential.objects.filter(owner=user)


def credential_for(user: User, uuid: UUID, deed: Deed = "view") -> Credential:
    """The credential of this id. Raises NotFound, or NotYours when it belongs to somebody else."""
    found = Credential.objects.filter(uuid=uuid).first()
    if found is None:
        raise NotFound
    if not may(user, found, deed):
        raise not_yours(user, found)
    return found


def credential_to_use(owner: User, reference: str) -> Credential:
    """One of the owner's own by id or name. Raises NotFound or, for somebody else's id, NotYours."""
    uuid = as_uuid(reference)
    if uuid is not None:
        return credential_for(owner, uuid, "change")
    found = credentials_of(owner).filter(name=reference).first()
    if found is None:
        raise NotFound("You have no credential of this name.")
    return found


def may(user: User, credential: Credential, deed: Deed) -> bool:
    """Whether a user may do this with a credential."""
    if credential.owner_id == user.pk:
        return True
    return deed == "view" and user.is_active and user.is_staff and user.has_perm("accounts.view_credential")


def with_uses(rows: QuerySet[Credential]) -> QuerySet[Credential]:
    """The rows with `used_by`: how many agents have each credential."""
    counts = [_count_of(relation.related_model, relation.field.name) for relation in Credential._meta.related_objects]
    return rows.annotate(used_by=sum(counts, Value(0, output_field=BigIntegerField())))


def uses_of(credential: Credential) -> int:
    """How many agents have the credential; asks the database unless `with_uses` has done it."""
    if hasattr(credential, "used_by"):
        return int(credential.used_by)
    counted = with_uses(Credential.objects.filter(pk=credential.pk)).first()
    return int(getattr(counted, "used_by", 0))


def _count_of(model: Any, field: str) -> Coalesce:
    # Whoever refers to a credential is found by the foreign key: this app knows none of them.
    users: QuerySet[Model] = model._base_manager.filter(**{field: OuterRef("pk")}).order_by()
    counted = users.values(field).annotate(count=Count("*")).values("count")
    return Coalesce(Subquery(counted, output_field=BigIntegerField()), 0)
