"""The audit trail: who did what, append-only, each row chained to the one before by a keyed hash."""

from accounts.audit.writing import record

__all__ = ["record"]
