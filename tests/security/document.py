"""docs/security-list.md, made from the two tables."""

from itertools import groupby
from typing import Final

from tests.security.traceability import ROOT, Answer, answers, counts, statements

PLACE: Final = ROOT / "docs" / "security-list.md"
CHAPTERS: Final = {
    "0.": "What frameworks leave open",
    "A-": "The checklist of the first audit",
    "AF": "What the older tools promised about tasks",
    "B-": "The report of the second audit",
    "X-": "Findings in the older tools",
    "V": "OWASP ASVS 5.0, level 2",
    "API": "OWASP API Security 2023 and LLM 2025",
    "LLM": "OWASP API Security 2023 and LLM 2025",
}
OPENING: Final = """\
# The security list

Every line of the two audits that this product answers, and of the standards beyond them, with what proves it. The ids
are those of the audits and standards, the words are ours. This page is made by
`.venv/bin/python -m tests.security --write` from `tests/security/ids.toml` and `tests/security/traceability.toml`;
the build fails for a line without a proof, and for a proof that does not exist.

Tests run with `make check`. To see one line proved: `make test ARGS="<what stands under Proof>"`.
"""
WORDS: Final = {"test": "test", "command": "command", "inspection": "read", "not_applicable": "does not apply"}


def document() -> str:
    """The whole page."""
    rows = [(chapter_of(name), row(name, says, answers().get(name))) for name, says in statements().items()]
    parts = [OPENING, summary()]
    for title, group in groupby(rows, key=lambda pair: pair[0]):
        parts += [f"## {title}\n", "| Id | What holds | Kind | Proof |\n|---|---|---|---|"]
        parts += [line for _, line in group]
        parts += [""]
    return "\n".join(parts)


def summary() -> str:
    told = counts()
    return (
        f"{told['all']} lines: {told['test']} proved by tests, {told['command']} by commands, {told['inspection']}"
        f" to be read, {told['not_applicable']} that do not apply.\n"
    )


def chapter_of(name: str) -> str:
    return next(title for start, title in CHAPTERS.items() if name.startswith(start))


def row(name: str, says: str, answer: Answer | None) -> str:
    if answer is None:
        return f"| {name} | {says} | | |"
    proof = answer.why or "<br>".join(f"`{each}`" for each in answer.by)
    return f"| {name} | {says} | {WORDS[answer.kind]} | {proof} |"
