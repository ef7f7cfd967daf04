"""Findings as a report: for people on 80 columns, the worst first, and for programs."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from personalq.lib.inspection import GRADES, Finding, Grade

COLUMNS: Final = 80


@dataclass(frozen=True, kw_only=True)
class Head:
    """What the report is about."""

    url: str
    version: str
    at: datetime
    fail_at: Grade


def sort(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first; of one grade by their ids, so that groups stand together."""
    return sorted(findings, key=lambda each: (-GRADES.index(each.grade), each.id))


def as_json(head: Head, findings: Sequence[Finding]) -> dict[str, Any]:
    """The report for programs."""
    return {
        "url": head.url,
        "version": head.version,
        "at": head.at.isoformat(timespec="seconds"),
        "fail_at": head.fail_at,
        "failed": any(each.is_at_least(head.fail_at) for each in findings),
        "counts": _counts(findings),
        "findings": [asdict(each) for each in findings],
    }


def as_text(head: Head, findings: Sequence[Finding]) -> str:
    """The report for people."""
    lines = [f"Security audit of Personal-Q {head.version}", f"{head.url}, {head.at:%Y-%m-%d %H:%M} UTC"]
    for grade, found in groupby((each for each in findings if each.grade != "ok"), key=lambda each: each.grade):
        lines += ["", grade.upper(), "-" * len(grade), *(line for each in found for line in _told(each))]
    lines += ["", "OK", "--", *_good(findings)]
    lines += ["", *_sum_up(head, findings)]
    return "\n".join(lines)


def _told(finding: Finding) -> Iterator[str]:
    yield finding.id
    yield from _wrapped(finding.sentence, first="    ")
    if finding.advice:
        yield from _wrapped(f"Do: {finding.advice}", first="    ", rest="        ")


def _good(findings: Sequence[Finding]) -> Iterator[str]:
    for group, found in groupby((each for each in findings if each.grade == "ok"), key=lambda each: each.group):
        subjects = ", ".join(each.id.partition(".")[2] for each in found)
        yield from _wrapped(f"{group}: {subjects}", first="", rest="    ")


def _sum_up(head: Head, findings: Sequence[Finding]) -> list[str]:
    counts = _counts(findings)
    told = ", ".join(f"{counts[grade]} {grade}" for grade in reversed(GRADES) if counts[grade])
    failing = sum(1 for each in findings if each.is_at_least(head.fail_at))
    verdict = (
        f"FAILED: {failing} as bad as {head.fail_at} or worse." if failing else f"Nothing as bad as {head.fail_at}."
    )
    return [*_wrapped(f"{told}.", first=""), verdict]


def _counts(findings: Sequence[Finding]) -> dict[Grade, int]:
    counted = Counter(each.grade for each in findings)
    return {grade: counted[grade] for grade in GRADES}


def _wrapped(text: str, *, first: str, rest: str | None = None) -> list[str]:
    # Long addresses and lists are broken rather than led out of sight.
    return textwrap.wrap(
        text, COLUMNS, initial_indent=first, subsequent_indent=first if rest is None else rest, break_on_hyphens=False
    )
