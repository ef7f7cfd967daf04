"""What accounts are inspected for: people, tokens, keys and the audit trail. Importing this registers all of it."""

from accounts.inspections import keys, people, tokens, trail

__all__ = ["keys", "people", "tokens", "trail"]
