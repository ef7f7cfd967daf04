"""bandit over the product, zizmor over workflows, hadolint over Dockerfiles; each first sees something faulty."""

import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tests.contracts.reading import REPOSITORY
from tests.supply_chain import faulty, programs
from tests.supply_chain.verdicts import Result, judge

PRODUCT = ("personalq", "accounts", "tasks", "realtime", "webhooks", "manage.py")
WORKFLOWS = REPOSITORY / ".github" / "workflows"
# That a module can start programs is no fault by itself: B602 to B607 look at each start.
_NOT_BY_ITSELF = "B404"


def check_code() -> Result:
    """Whether bandit finds anything that ruff's rule of the same number does not find explained."""
    with faulty.written("faulty.py", faulty.CODE) as path:
        if faulty.CODE_RULE not in {each["test_id"] for each in _bandit(path)}:
            return judge([f"bandit does not see {faulty.CODE_RULE} in faulty code"], good="")
    findings = _bandit(*(REPOSITORY / name for name in PRODUCT))
    exempt = exemptions()
    left = [each for each in findings if not is_explained(each, exempt)]
    faults = [f"{_file(each)}:{each['line_number']}: {each['test_id']} {each['issue_text']}" for each in left]
    return judge(faults, good=f"bandit: {len(findings)} findings, each explained where ruff asks for it")


def check_workflows() -> Result:
    """Whether zizmor finds anything at all, explained or not."""
    with faulty.written(".github/workflows/faulty.yml", faulty.WORKFLOW) as path:
        unseen = faulty.WORKFLOW_RULES - _zizmor(path)
    seen = _zizmor(WORKFLOWS)
    faults = [f"zizmor does not see {rule} in a faulty workflow" for rule in sorted(unseen)]
    faults += [f"{rule}: .venv-tools/bin/zizmor --offline --pedantic .github/workflows" for rule in sorted(seen)]
    return judge(faults, good=f"zizmor: nothing in {len(list(WORKFLOWS.glob('*.yml')))} workflows")


def check_images() -> Result:
    """Whether hadolint finds anything in what images are built from."""
    with faulty.written("Dockerfile", faulty.DOCKERFILE) as path:
        unseen = faulty.DOCKERFILE_RULES - set(_hadolint(path))
    files = [REPOSITORY / "Dockerfile", *sorted((REPOSITORY / "deploy").glob("*.Dockerfile"))]
    faults = [f"hadolint does not see {rule} in a faulty Dockerfile" for rule in sorted(unseen)]
    faults += [f"{file.name}: {rule}" for file in files for rule in _hadolint(file)]
    return judge(faults, good=f"hadolint: nothing in {len(files)} files")


def exemptions() -> dict[str, list[str]]:
    """Patterns of files → rules of ruff that do not hold there, from pyproject.toml."""
    lint = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    return {"*": lint["ignore"], **lint["per-file-ignores"]}


def is_explained(finding: dict[str, Any], exempt: dict[str, list[str]]) -> bool:
    """Whether pyproject.toml or a `noqa` on one of its lines names the rule."""
    rule = finding["test_id"].replace("B", "S", 1)
    file = _file(finding)
    if any(fnmatch(file, pattern) and rule in rules for pattern, rules in exempt.items()):
        return True
    lines = (REPOSITORY / file).read_text().splitlines()
    own = (lines[number - 1] for number in finding["line_range"])
    return any(rule in re.findall(r"S\d{3}", line.partition("# noqa:")[2]) for line in own)


def _bandit(*paths: Path) -> list[dict[str, Any]]:
    done = programs.run("bandit", "--quiet", "--format", "json", "--skip", _NOT_BY_ITSELF, "--recursive", *paths)
    document = json.loads(done.stdout)
    nowhere = {"test_id": "unread", "line_number": 0, "line_range": []}
    unread = [{**nowhere, "filename": each["filename"], "issue_text": each["reason"]} for each in document["errors"]]
    return [*document["results"], *unread]


def _file(finding: dict[str, Any]) -> str:
    return str(Path(finding["filename"]).relative_to(REPOSITORY))


def _zizmor(path: Path) -> set[str]:
    options = ("--offline", "--pedantic", "--no-ignores", "--strict-collection", "--quiet", "--format", "json")
    done = programs.run("zizmor", *options, path)
    return {each["ident"] for each in json.loads(done.stdout)}


def _hadolint(path: Path) -> list[str]:
    done = programs.run("hadolint", "--disable-ignore-pragma", "--format", "json", path)
    return [each["code"] for each in json.loads(done.stdout)]
