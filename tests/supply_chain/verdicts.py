"""What a check found."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Whether a check was made, and what it says."""

    OK = "ok"
    FAILED = "FAILED"
    NOT_CHECKED = "NOT CHECKED"


@dataclass(frozen=True)
class Result:
    """One line of the report: a verdict, the sentence that explains it, and each single fault."""

    verdict: Verdict
    sentence: str
    faults: tuple[str, ...] = ()


def judge(faults: Sequence[str], *, good: str) -> Result:
    """`good` where there are no faults; else as many as there are, all of them named."""
    if faults:
        return Result(Verdict.FAILED, f"{len(faults)} to mend", tuple(faults))
    return Result(Verdict.OK, good)
