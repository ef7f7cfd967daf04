"""The operators' view of people, their ways to sign in, their keys, and the audit trail."""

from accounts.admin.codes import OneTimeCodeAdmin
from accounts.admin.credentials import CredentialAdmin
from accounts.admin.factors import RecoveryCodeAdmin, SecondFactorAdmin
from accounts.admin.people import GroupAdmin, UserAdmin
from accounts.admin.tokens import PersonalTokenAdmin, TokenFamilyAdmin
from accounts.admin.trail import AuditEventAdmin, AuditMarkAdmin

__all__ = [
    "AuditEventAdmin",
    "AuditMarkAdmin",
    "CredentialAdmin",
    "GroupAdmin",
    "OneTimeCodeAdmin",
    "PersonalTokenAdmin",
    "RecoveryCodeAdmin",
    "SecondFactorAdmin",
    "TokenFamilyAdmin",
    "UserAdmin",
]
