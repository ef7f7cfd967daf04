"""Counts how the lines of the security list are proved.

    .venv/bin/python -m tests.security            the counts
    .venv/bin/python -m tests.security --write    and docs/security-list.md

Ends with status 1 when a line has no proof, or one that does not exist.
"""

import sys

from tests.security import document, traceability


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main(words: list[str]) -> int:
    """Say the counts and what is wrong; 1 when something is."""
    if "--write" in words:
        document.PLACE.write_text(document.document(), encoding="utf-8")
    for kind, count in traceability.counts().items():
        say(f"{kind.replace('_', ' '):16}{count:4}")
    found = traceability.answers()
    faults = [f"{name}: {fault}" for name, answer in found.items() for fault in answer.faults()]
    faults += [f"{name}: no answer" for name in traceability.statements() if name not in found]
    faults += [f"{name}: not in the list" for name in found if name not in traceability.statements()]
    for fault in faults:
        say(fault)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
