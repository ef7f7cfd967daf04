"""Whether the database still refuses what nobody may do to the audit trail (migration 0006)."""

import hashlib
from typing import Final

from django.db import connection

TRIGGERS: Final = ("audit_events_guard", "audit_events_no_truncate")
FUNCTION: Final = "audit_events_guard"
FUNCTION_DIGEST: Final = "abf843eb5e535b8674bdac7a9030435ba86388d20a58ae16993c06191d0c1f5a"
"""SHA-256 of the function's body, white space levelled."""
_IN_FORCE: Final = ("O", "A")

_TRIGGERS_OF_THE_TABLE: Final = """
SELECT tgname, tgenabled FROM pg_trigger
WHERE tgrelid = 'audit_events'::regclass AND NOT tgisinternal
"""
_CONFIGURATION: Final = ["search_path=pg_catalog"]
_BODY: Final = """
SELECT prosrc, proconfig FROM pg_proc
WHERE proname = %s AND pronamespace = current_schema()::regnamespace
"""


def faults() -> list[str]:
    """A sentence for each guard that is missing, switched off or another one."""
    return [*_faults_of_triggers(), *_faults_of_function(), *_faults_of_session()]


def _faults_of_triggers() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_TRIGGERS_OF_THE_TABLE)
        found = {str(name): str(enabled) for name, enabled in cursor.fetchall()}
    missing = [name for name in TRIGGERS if name not in found]
    disabled = [name for name in TRIGGERS if name in found and found[name] not in _IN_FORCE]
    return [
        *(f"The trigger {name} on audit_events is missing: rows could be changed." for name in missing),
        *(f"The trigger {name} on audit_events is disabled: rows could be changed." for name in disabled),
    ]


def _faults_of_function() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_BODY, [FUNCTION])
        found = [(digest_of_body(str(body)), configuration) for body, configuration in cursor.fetchall()]
    if found == [(FUNCTION_DIGEST, _CONFIGURATION)]:
        return []
    return [f"The function {FUNCTION} is missing or another one than the product made."]


def _faults_of_session() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW session_replication_role")
        (role,) = cursor.fetchone()
    return [] if role == "origin" else [f"session_replication_role is {role}: triggers do not act."]


def digest_of_body(body: str) -> str:
    return hashlib.sha256(" ".join(body.split()).encode()).hexdigest()
