"""Known vulnerabilities, as pip-audit finds them, and whether anybody was there to be asked.

pip-audit itself ends with status 0 when no service knew any of the packages, so `--strict` is always given, and every
run begins with a control: a package that is known to be vulnerable. A service that says nothing of it is no service.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.supply_chain import ignores, locks, programs
from tests.supply_chain.locks import Locked
from tests.supply_chain.verdicts import Result, Verdict, judge

CONTROL = Path(__file__).with_name("known_vulnerable.txt")
# The services that pip-audit knows, in the order in which they are tried.
SERVICES = (("-s", "pypi"), ("-s", "osv"), ("-s", "esms"))
_OPTIONS = ("--strict", "--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json")


@dataclass(frozen=True)
class Answer:
    """What pip-audit wrote; None when it could not ask about each package, and then what it said."""

    packages: list[dict[str, Any]] | None
    said: str

    def vulnerabilities(self) -> list[str]:
        return [_describe(each, one) for each in self.packages or [] for one in each.get("vulns", [])]

    def names(self) -> set[tuple[str, str]]:
        return {(each["name"], each["version"]) for each in self.packages or [] if "version" in each}


def check(
    *,
    reports: Path,
    is_required: bool,
    services: Sequence[Sequence[str]] = SERVICES,
    lock_names: Sequence[str] = locks.NAMES,
) -> Result:
    """Every package of the locks, those included that only other machines install.

    Args:
        reports: Where the JSON of each run is kept.
        is_required: Whether it is a fault that no service answers.
        services: What tells pip-audit whom to ask.
        lock_names: Which locks.
    """
    known = ignores.read_security()
    outdated = ignores.faults(known, datetime.now(tz=UTC).date())
    if outdated:
        return judge(outdated, good="")
    silent: list[str] = []
    for service in services:
        control = ask(CONTROL, service, [], reports / "advisories-control.json")
        if control.packages is not None:
            return _check_with(service, control, known, reports, lock_names)
        silent.append(f"{' '.join(service)}: {control.said}")
    verdict = Verdict.FAILED if is_required else Verdict.NOT_CHECKED
    return Result(verdict, "no advisory service answered; run this again where one can be reached", tuple(silent))


def ask(file: Path, service: Sequence[str], known: Sequence[ignores.Ignore], report: Path) -> Answer:
    """One run of pip-audit; the report is written when it could ask about each package."""
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    ignored = [word for one in known for word in ("--ignore-vuln", one.advisory)]
    done = programs.run("pip-audit", *_OPTIONS, *service, *ignored, "--output", report, "--requirement", file)
    if not report.exists():
        return Answer(None, programs.last_line(done.stderr))
    return Answer(json.loads(report.read_text())["dependencies"], "")


def _check_with(
    service: Sequence[str], control: Answer, known: Sequence[ignores.Ignore], reports: Path, lock_names: Sequence[str]
) -> Result:
    if not control.vulnerabilities():
        return Result(Verdict.FAILED, f"{service[-1]} answers, but knows no vulnerability of {_control()}")
    faults = [f"{name}: {fault}" for name in lock_names for fault in _faults_of(name, service, known, reports)]
    count = sum(len(locks.read_named(name)) for name in lock_names)
    good = f"{service[-1]} knows none of {count} packages in {len(lock_names)} locks; it does know that of {_control()}"
    return judge(faults, good=good)


def _faults_of(name: str, service: Sequence[str], known: Sequence[ignores.Ignore], reports: Path) -> Iterator[str]:
    """First the lock as it stands, then what its markers keep away from this machine."""
    answers = [ask(locks.path_of(name), service, known, reports / f"advisories-{name}.json")]
    rest = [one for one in locks.read_named(name) if (one.name, one.version) not in answers[0].names()]
    for number, file in enumerate(files_for(rest, reports / f"elsewhere-{name}"), start=1):
        answers.append(ask(file, service, known, reports / f"advisories-{name}-elsewhere-{number}.json"))
    for answer in answers:
        yield from answer.vulnerabilities()
        if answer.packages is None:
            yield f"not all packages could be asked about: {answer.said}"
    asked = {pair for answer in answers for pair in answer.names()}
    yield from (f"{one.name} {one.version}: never asked about" for one in rest if (one.name, one.version) not in asked)


def files_for(rest: list[Locked], stem: Path) -> Iterator[Path]:
    """Requirements files without markers; two versions of one package go into two of them."""
    number = 0
    while rest:
        chosen = {each.name: each for each in rest}
        rest = [each for each in rest if each not in chosen.values()]
        number += 1
        file = stem.with_name(f"{stem.name}-{number}.txt")
        file.write_text("\n".join(each.as_line() for each in chosen.values()) + "\n")
        yield file


def _control() -> str:
    return locks.statements(CONTROL.read_text())[0].split()[0]


def _describe(package: dict[str, Any], vulnerability: dict[str, Any]) -> str:
    fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
    return f"{package['name']} {package['version']}: {vulnerability['id']}, mended in {fixed}"
