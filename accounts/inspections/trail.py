"""The audit trail, and what no program can see."""

from accounts.audit import guards, verifying
from personalq.lib.inspection import Result, Scene, bad, fine, inspection, noted


@inspection(
    "audit.chain",
    "critical",
    looks_at="Every row of the audit trail: changed, removed, inserted or put elsewhere.",
    advice="Keep a copy of the database as it is, find out who could write to it, and compare with a backup "
    "(docs/audit.md). Do not repair the chain.",
    seconds=1800,
)
def chain(_: Scene) -> Result:
    verdict = verifying.verify()
    if verdict.is_sound:
        return fine(f"{verdict.rows} rows are as they were written.", rows=verdict.rows, last=verdict.last)
    said = " ".join(fault.sentence for fault in verdict.faults[:5])
    return bad(
        "critical", f"{verdict.fault_count} faults. {said}", codes=sorted({each.code for each in verdict.faults})
    )


@inspection(
    "audit.guard",
    "critical",
    looks_at="Whether the guard that keeps the audit trail append-only, two triggers and their function, is there, is "
    "the product's own and is in force.",
    advice="Run `manage.py verify_audit` first, and find out who lifted the guard. Then, as the owner of the tables: "
    "ALTER TABLE audit_events ENABLE TRIGGER USER; what is gone or another one stands in migration accounts.0006.",
)
def guard(_: Scene) -> Result:
    if faults := guards.faults():
        return bad("critical", " ".join(faults))
    return fine("The database keeps the audit trail append-only.")


@inspection(
    "backups.made",
    looks_at="Nothing: the product does not see whether backups are made, nor whether they can be read.",
    advice="",
)
def backups(_: Scene) -> Result:
    return noted(
        "Nobody can see from here whether backups are made. Make them, keep the encryption keys apart from them, and "
        'load one now and then (docs/operations.md, "Backup and restore").'
    )
