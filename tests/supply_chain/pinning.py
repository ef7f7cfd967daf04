"""Whether everything that is taken from others is named by its content: packages, images, actions, scripts of pages."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.contracts.reading import REPOSITORY
from tests.supply_chain import closure, locks, programs
from tests.supply_chain.verdicts import Result, judge

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_COMMIT = re.compile(r"@[0-9a-f]{40}$")
# `${NAME:?…}`: whoever builds has to say it; the Dockerfiles refuse what has no digest.
_ASKED_FOR = re.compile(r"\$\{[A-Z_]+:\?[^}]*\}$")
# What a browser fetches by itself, wherever it stands: in templates, style sheets and scripts.
_FETCHED = re.compile(
    r"""(?ix)
        <(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*\b(?:src|data|srcset)\s*=\s*["']?(?:https?:)?//
      | <link\b[^>]*\bhref\s*=\s*["']?(?:https?:)?//
      | \bimport\b[^;\n]*["'](?:https?:)?//
      | @import\s+(?:url\()?["']?(?:https?:)?//
      | \burl\(\s*["']?(?:https?:)?//"""
)


def check_locks() -> Result:
    """Each package of each lock at one version with SHA-256 hashes, and each lock complete."""
    faults = [f"{name}.txt: {fault}" for name in locks.NAMES for fault in _faults_of(name)]
    count = sum(len(locks.read_named(name)) for name in locks.NAMES) if not faults else 0
    return judge(faults, good=f"{count} packages in {len(locks.NAMES)} locks have hashes, and need no other")


def check_others(root: Path = REPOSITORY) -> Result:
    """Images, actions and what pages fetch."""
    faults = [*loose_images(root), *loose_actions(root), *foreign_assets(root), *loose_installs(root)]
    return judge(faults, good="images by digest, no actions of others but by commit, nothing fetched from other sites")


def loose_images(root: Path) -> Iterator[str]:
    """Images that are neither named by digest nor asked for, in Dockerfiles, compose files and workflows."""
    for path in [*root.glob("Dockerfile"), *root.glob("deploy/*Dockerfile")]:
        yield from (f"{path.name}: FROM {image}" for image in _loose_bases(path.read_text()))
    for path in [*root.glob("compose*.y*ml"), *root.glob("deploy/compose*.y*ml")]:
        services = yaml.safe_load(path.read_text())["services"]
        yield from (f"{path.name}: {name}: {each['image']}" for name, each in services.items() if _is_loose(each))
    for path, job in _jobs(root):
        images = [job.get("container"), *job.get("services", {}).values()]
        named = [each["image"] if isinstance(each, dict) else each for each in images if each]
        yield from (f"{path.name}: {image}" for image in named if not _DIGEST.search(image))


def loose_actions(root: Path) -> Iterator[str]:
    """Actions of others that are not named by the commit."""
    for path, job in _jobs(root):
        used = [job.get("uses"), *(step.get("uses") for step in job.get("steps", []))]
        yield from (f"{path.name}: {each}" for each in used if each and not _COMMIT.search(each))


def loose_installs(root: Path) -> Iterator[str]:
    """Commands that install packages without asking for hashes."""
    files = [root / "Makefile", *root.glob(".ci/*"), *root.glob("*Dockerfile"), *root.glob("deploy/*Dockerfile")]
    for path in files:
        for line in path.read_text().replace("\\\n", " ").splitlines():
            if (
                re.search(
                    r"\bpip\b[^|;&]*\binstall\b|\b(?:npm|gem|go|cargo|curl|wget)\b +(?:install|get|-\S+ +http)", line
                )
                and "--require-hashes" not in line
            ):
                yield f"{path.name}: {line.strip()[:80]}"


def foreign_assets(root: Path) -> Iterator[str]:
    """What a page would fetch from somebody else's site."""
    for directory in ("templates", "static"):
        for path in sorted((root / directory).rglob("*.*")):
            if path.suffix in {".html", ".css", ".js", ".svg"}:
                found = _FETCHED.finditer(path.read_text())
                yield from (f"{path.relative_to(root)}: {match[0][:80]}" for match in found)


def _faults_of(name: str) -> list[str]:
    unpinned = list(locks.faults_in(locks.path_of(name).read_text()))
    if unpinned:
        return unpinned
    python = (programs.TOOLS if name == "tools" else programs.PRODUCT) / "python"
    return closure.faults(locks.read_named(name), locks.wishes(name), closure.installed_in(python))


def _loose_bases(dockerfile: str) -> Iterator[str]:
    stages: set[str] = set()
    blank = set(re.findall(r"^ARG ([A-Z_]+)\s*$", dockerfile, re.MULTILINE))
    for image, _, stage in re.findall(r"^FROM (\S+)(?: (AS) (\S+))?", dockerfile, re.MULTILINE | re.IGNORECASE):
        is_asked_for = image in {f"${{{name}}}" for name in blank}
        if not (is_asked_for or _DIGEST.search(image) or image in stages | {"scratch"}):
            yield image
        stages.add(stage)


def _is_loose(service: dict[str, Any]) -> bool:
    image = service.get("image", "")
    is_ours = "build" in service
    return bool(image) and not is_ours and not (_DIGEST.search(image) or _ASKED_FOR.match(image))


def _jobs(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(root.glob(".github/workflows/*.y*ml")):
        yield from ((path, job) for job in yaml.safe_load(path.read_text())["jobs"].values())
