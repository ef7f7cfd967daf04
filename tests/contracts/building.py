"""The build and deployment files in a form that tests can look at."""

import re
from dataclasses import dataclass
from typing import Any

import yaml

from tests.contracts.reading import REPOSITORY

Service = dict[str, Any]


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, its continued lines joined."""

    word: str
    rest: str


def dockerfile(path: str = "Dockerfile") -> list[Instruction]:
    text = (REPOSITORY / path).read_text()
    joined = re.sub(r"\\\n\s*", "", text)
    lines = (line for line in joined.splitlines() if line.strip() and not line.startswith("#"))
    return [Instruction(*line.split(maxsplit=1)) for line in lines]


def last_stage(path: str = "Dockerfile") -> list[Instruction]:
    """What the image itself is made of."""
    instructions = dockerfile(path)
    starts = [number for number, each in enumerate(instructions) if each.word == "FROM"]
    return instructions[starts[-1] :]


def rest_of(word: str, instructions: list[Instruction]) -> list[str]:
    return [each.rest for each in instructions if each.word == word]


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())
    return loaded


def services() -> dict[str, Service]:
    found: dict[str, Service] = compose()["services"]
    return found


def own_proxy() -> dict[str, Service]:
    """What changes for those who have a proxy of their own."""
    found: dict[str, Service] = yaml.safe_load((REPOSITORY / "deploy" / "compose.own-proxy.yaml").read_text())[
        "services"
    ]
    return found


def workflow(name: str = "ci") -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load((REPOSITORY / ".github" / "workflows" / f"{name}.yml").read_text())
    return loaded


def unit_command(name: str) -> list[str]:
    """What a systemd unit starts, after the interpreter."""
    text = (REPOSITORY / "deploy" / "systemd" / name).read_text().replace("\\\n", " ")
    found = re.search(r"^ExecStart=(.+)$", text, re.MULTILINE)
    assert found
    return found[1].split()[1:]
