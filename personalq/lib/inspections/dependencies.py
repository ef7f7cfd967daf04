"""Whether what is installed has published vulnerabilities, as far as somebody answers who knows."""

import asyncio
import json
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from personalq.lib import http
from personalq.lib.inspection import Result, Scene, bad, fine, inspection, name_some, unknown

LARGEST_REPORT: Final = 20 * 1024 * 1024
CONTROL: Final = ("django", "3.2.0")
"""A version that is known to be vulnerable: who has nothing to say about it knows nothing."""
_ADVICE: Final = (
    "Run `pip-audit --format json -o report.json` in this installation's .venv where the Internet is reachable, and "
    "give the file with --advisories."
)
_LIMITS: Final = http.Limits(connect_seconds=5, read_seconds=15, total_seconds=25, response_bytes=LARGEST_REPORT)


class NotTold(Exception):  # noqa: N818 - says what happened
    """Nobody said whether there are vulnerabilities; the text says why."""


@inspection(
    "dependencies.advisories",
    "medium",
    "high",
    looks_at="Whether an installed package has a published vulnerability, by the report of pip-audit that is given, or "
    "else by asking the advisory service. Medium: nobody answered, so nobody knows.",
    advice="Update what is named: CONTRIBUTING.md says within which time.",
)
def advisories(scene: Scene) -> Result:
    installed = installed_packages()
    try:
        found = _from_report(scene.advisories, installed) if scene.advisories else _asked(scene, installed)
    except NotTold as reason:
        return unknown(str(reason), advice=_ADVICE)
    if found:
        named = [f"{package} ({', '.join(ids)})" for package, ids in found.items()]
        return bad("high", f"Published vulnerabilities: {name_some(named)}.", packages=dict(found))
    return fine(f"No published vulnerability in {len(installed)} packages.")


def installed_packages() -> dict[str, str]:
    """Name → version of everything that this process could import."""
    return {_canonical(each.metadata["Name"]): each.version for each in distributions() if each.metadata["Name"]}


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _from_report(path: Path, installed: Mapping[str, str]) -> dict[str, list[str]]:
    entries = _read_report(path)
    reported = {_canonical(str(each.get("name"))): each for each in entries}
    differing = [name for name, version in installed.items() if reported.get(name, {}).get("version") != version]
    if differing:
        raise NotTold(f"the report is not about what is installed: {name_some(differing)}.")
    return {
        f"{name} {version}": sorted(str(fault.get("id")) for fault in faults)
        for name, version in installed.items()
        if (faults := reported[name].get("vulns"))
    }


def _read_report(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            entries = json.loads(file.read(LARGEST_REPORT))["dependencies"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise NotTold("the file is no report of pip-audit in JSON.") from None
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise NotTold("the file is no report of pip-audit in JSON.")
    return entries


def _asked(scene: Scene, installed: Mapping[str, str]) -> dict[str, list[str]]:
    if not scene.advisory_service:
        raise NotTold("no report was given, and no advisory service was to be asked.")
    packages = [CONTROL, *installed.items()]
    answers = asyncio.run(_query(scene.advisory_service, packages))
    if len(answers) != len(packages) or not _ids(answers[0]):
        raise NotTold("the advisory service knows nothing of a version that is known to be vulnerable.")
    return {
        f"{name} {version}": ids
        for (name, version), answer in zip(packages[1:], answers[1:], strict=True)
        if (ids := _ids(answer))
    }


async def _query(service: str, packages: list[tuple[str, str]]) -> list[Any]:
    """The answers of the OSV API (https://google.github.io/osv.dev/post-v1-querybatch/), one for each package."""
    queries = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in packages]
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    body = json.dumps({"queries": queries}).encode()
    try:
        answer = await http.fetch("POST", f"{service}/v1/querybatch", headers=headers, body=body, limits=_LIMITS)
        results = json.loads(answer.body)["results"] if answer.status == 200 else None  # noqa: PLR2004
    except http.HttpRefused:
        raise NotTold("the advisory service cannot be reached from here.") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        results = None
    if not isinstance(results, list):
        raise NotTold("the advisory service gave no answer that can be read.")
    return results


def _ids(answer: Any) -> list[str]:
    faults = answer.get("vulns") if isinstance(answer, dict) else None
    return sorted(str(each.get("id")) for each in faults if isinstance(each, dict)) if isinstance(faults, list) else []
