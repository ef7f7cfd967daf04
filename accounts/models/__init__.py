"""Users, the families of tokens that their sign-ins began, the requests that they may repeat, and their keys."""

from accounts.models.audit_event import AuditEvent, AuditMark
from accounts.models.credential import Credential, Provider
from accounts.models.idempotency import IdempotencyKey
from accounts.models.personal_token import PersonalToken
from accounts.models.token_family import TokenFamily
from accounts.models.user import User

__all__ = [
    "AuditEvent",
    "AuditMark",
    "Credential",
    "IdempotencyKey",
    "PersonalToken",
    "Provider",
    "TokenFamily",
    "User",
]
