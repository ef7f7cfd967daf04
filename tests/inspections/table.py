"""The table of docs/security-audit.md, made from the registry: python -m tests.inspections.table writes it anew."""

import os
from collections.abc import Iterator

import django

from personalq.embedded.layout import REPOSITORY
from personalq.embedded.throwaway import use_throwaway_settings

DOCUMENT = REPOSITORY / "docs" / "security-audit.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def lines() -> Iterator[str]:
    from personalq.lib.inspection import inspections  # noqa: PLC0415 - after Django was set up

    yield "| Finding | Grades | What is looked at | What to do |"
    yield "|---|---|---|---|"
    for each in inspections():
        grades = ", ".join(each.grades) or "info"
        yield f"| `{each.id}` | {grades} | {_cell(each.looks_at)} | {_cell(each.advice) or '—'} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def parts() -> tuple[str, str, str]:
    """The document before the table, the table, and the document after it."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(f"{BEGIN}\n")
    table, _, after = rest.partition(f"\n{END}")
    return before, table, after


def main() -> None:
    use_throwaway_settings(os.environ)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personalq.settings")
    django.setup()
    before, _, after = parts()
    DOCUMENT.write_text(f"{before}{BEGIN}\n" + "\n".join(lines()) + f"\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
