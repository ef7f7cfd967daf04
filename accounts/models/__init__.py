"""Users, what proves and invites them, their sign-ins, repeated requests and keys, and the audit trail."""

from accounts.models.audit_event import AuditEvent, AuditMark
from accounts.models.credential import Credential, Provider
from accounts.models.idempotency import IdempotencyKey
from accounts.models.known_key import KnownKey
from accounts.models.one_time_code import OneTimeCode
from accounts.models.personal_token import PersonalToken
from accounts.models.reset_letter import ResetLetter
from accounts.models.second_factor import RecoveryCode, SecondFactor
from accounts.models.token_family import TokenFamily
from accounts.models.user import User

__all__ = [
    "AuditEvent",
    "AuditMark",
    "Credential",
    "IdempotencyKey",
    "KnownKey",
    "OneTimeCode",
    "PersonalToken",
    "Provider",
    "RecoveryCode",
    "ResetLetter",
    "SecondFactor",
    "TokenFamily",
    "User",
]
