"""Checks what comes from others and what may leave with the product, one line for each check.

    make supply-chain
    .venv/bin/python -m tests.supply_chain advisories licences    some of it
    .venv/bin/python -m tests.supply_chain inventory              writes docs/sbom.cdx.json and docs/licences.md

Ends with status 1 when something has to be mended. What could not be checked here is said loudly, and is no success:
with CI_REQUIRE_ADVISORIES=1 it is a fault that no advisory service answers. The same as JSON is in var/supply-chain/.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from tests.supply_chain import advisories, inventory, linting, pinning, programs, secret_scan
from tests.supply_chain.verdicts import Result, Verdict


def check_advisories() -> Result:
    return advisories.check(reports=programs.REPORTS, is_required=os.environ.get("CI_REQUIRE_ADVISORIES") == "1")


CHECKS: Mapping[str, Callable[[], Result]] = {
    "locks": pinning.check_locks,
    "pinned": pinning.check_others,
    "advisories": check_advisories,
    "sbom": inventory.check_sbom,
    "licences": inventory.check_licences,
    "secrets in the tree": secret_scan.check_tree,
    "secrets in the history": secret_scan.check_history,
    "code": linting.check_code,
    "workflows": linting.check_workflows,
    "images": linting.check_images,
}


def main(words: list[str]) -> int:
    """Run the checks whose names hold one of the words, or all of them."""
    if words == ["inventory"]:
        inventory.write()
        return 0
    chosen = [name for name in CHECKS if not words or any(word in name for word in words)]
    results = {name: run(name) for name in chosen}
    keep(results)
    counts = {verdict: [each.verdict for each in results.values()].count(verdict) for verdict in Verdict}
    say("supply chain: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count))
    return int(counts[Verdict.FAILED] > 0 or not chosen)


def run(name: str) -> Result:
    """One check and its line; what it could not do or found follows below."""
    result = CHECKS[name]()
    say(f"{name:24} {result.verdict:12} {result.sentence}")
    for fault in result.faults:
        say(f"{'':24} - {fault}")
    return result


def keep(results: Mapping[str, Result]) -> None:
    programs.REPORTS.mkdir(parents=True, exist_ok=True)
    report = {
        "checked_at": datetime.now(tz=UTC).isoformat(),
        "checks": {name: asdict(each) for name, each in results.items()},
    }
    (programs.REPORTS / "report.json").write_text(json.dumps(report, indent=2) + "\n")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
