"""What the product consists of: docs/sbom.cdx.json (CycloneDX, made of the lock) and docs/licences.md."""

import json
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from tests.contracts.reading import REPOSITORY
from tests.supply_chain import locks, programs
from tests.supply_chain.verdicts import Result, judge

SBOM = REPOSITORY / "docs" / "sbom.cdx.json"
LICENCES = REPOSITORY / "docs" / "licences.md"
RULES = Path(__file__).with_name("licences.toml")
_VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())
sys.exit(str(fault)[:500] if fault else 0)
"""
_HEAD = """\
# Licences

What is installed, under which licence, and for what: `base` is the product, `dev` adds what tests and checks need,
`tools` is what `make supply-chain` looks with. Written by `make inventory`; which licences are taken, and each
exception with its reason, is in [tests/supply_chain/licences.toml](../tests/supply_chain/licences.toml).

| Package | Version | Licence | In |
|---|---|---|---|
"""


def write() -> None:
    """Make both files anew."""
    declared = licences()
    SBOM.write_text(make_sbom(declared))
    LICENCES.write_text(make_list(declared))


def check_sbom() -> Result:
    """Whether the file is what the lock gives, and CycloneDX."""
    declared = licences()
    stale = [] if SBOM.read_text() == make_sbom(declared) else ["docs/sbom.cdx.json is stale: make inventory"]
    checked = programs.run_python(_VALIDATE, given=SBOM.read_text())
    invalid = [] if checked.returncode == 0 else [f"not CycloneDX 1.6: {checked.stderr.strip()}"]
    return judge(stale + invalid, good=f"CycloneDX 1.6 lists the {len(locks.read_named('base'))} packages of base.txt")


def check_licences() -> Result:
    """Whether each licence is one we take, and the list is up to date."""
    declared = licences()
    stale = [] if LICENCES.read_text() == make_list(declared) else ["docs/licences.md is stale: make inventory"]
    faults = refused(declared, tomllib.loads(RULES.read_text()))
    return judge(faults + stale, good=f"all {len(declared)} packages are under licences that we take")


@cache
def licences() -> dict[str, str]:
    """The licence of every package of every lock, in the words of SPDX; empty where none is told."""
    rules = tomllib.loads(RULES.read_text())
    told = _told_by(programs.TOOLS / "python") | _told_by(programs.PRODUCT / "python") | rules["elsewhere"]
    names = {each.name for name in locks.NAMES for each in locks.read_named(name)}
    return {name: in_spdx(told.get(name, ""), rules["spdx"]) for name in sorted(names)}


def in_spdx(told: str, words: Mapping[str, str]) -> str:
    """Several classifiers mean that one may choose, as in an expression of SPDX with OR."""
    parts = re.split(r"(; | OR | AND )", told)
    return "".join({"; ": " OR "}.get(part, words.get(part, part)) for part in parts)


def refused(declared: Mapping[str, str], rules: Mapping[str, Any]) -> list[str]:
    """Each package whose licence we do not take, and each exception that nothing needs any more."""
    allowed = set(rules["allowed"])
    granted = {(name, each["licence"]) for each in rules["exception"] for name in each["packages"]}
    faults = [f"{name}: {licence or 'no licence told'}" for name, licence in declared.items()
              if not is_allowed(licence, allowed) and (name, licence) not in granted]  # fmt: skip
    idle = [f"{name}: the exception for {licence} is not needed" for name, licence in sorted(granted)
            if declared.get(name) != licence]  # fmt: skip
    return faults + idle


def is_allowed(licence: str, allowed: set[str]) -> bool:
    """One of the choices has to be made of licences we take alone."""
    return any(set(choice.split(" AND ")) <= allowed for choice in licence.split(" OR "))


def make_sbom(declared: Mapping[str, str]) -> str:
    """What cyclonedx-py makes of the lock, with licences, each component on one line.

    Left out: references by the lock's line numbers, which any new package would change, and the graph of needs, which a
    lock does not tell.
    """
    done = programs.run(
        "cyclonedx-py", "requirements", "--output-reproducible", "--short-PURLs", "--sv", "1.6",
        "--pyproject", REPOSITORY / "pyproject.toml", locks.path_of("base"),
    )  # fmt: skip
    document = json.loads(done.stdout)
    del document["dependencies"]
    components = [_component(each, declared) for each in document.pop("components")]
    head = json.dumps(document, indent=2, ensure_ascii=False).removesuffix("\n}")
    lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in sorted(components, key=lambda one: one["purl"]))
    return f'{head},\n  "components": [\n{lines}\n  ]\n}}\n'


def make_list(declared: Mapping[str, str]) -> str:
    """docs/licences.md."""
    rows: dict[tuple[str, str], list[str]] = {}
    for name in locks.NAMES:
        for each in locks.read_named(name):
            rows.setdefault((each.name, each.version), []).append(name)
    return _HEAD + "".join(
        f"| {name} | {version} | {declared[name]} | {', '.join(places)} |\n"
        for (name, version), places in sorted(rows.items())
    )


def _component(component: dict[str, Any], declared: Mapping[str, str]) -> dict[str, Any]:
    licence = declared[canonicalize_name(component["name"])]
    named = {"license": {"name": "BSD, its kind is not told"}} if licence == "BSD" else {"expression": licence}
    left = {key: value for key, value in component.items() if key != "description"}
    return {**left, "bom-ref": component["purl"], "licenses": [named]}


def _told_by(python: Path) -> dict[str, str]:
    done = programs.run("pip-licenses", "--python", python, "--from", "mixed", "--with-system", "--format", "json")
    return {canonicalize_name(each["Name"]): each["License"] for each in json.loads(done.stdout)}
