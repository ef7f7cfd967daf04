"""What is taken from others by a name that can be moved is seen."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contracts.reading import REPOSITORY
from tests.supply_chain import pinning

pytestmark = pytest.mark.security

DIGEST = "sha256:" + "0123456789abcdef" * 4
JOB = "jobs:\n  one:\n    runs-on: ubuntu-24.04\n"


def found(look: Callable[[Path], Iterator[str]], root: Path, name: str, text: str) -> list[str]:
    for needed in ("Makefile", ".ci/run"):
        (root / needed).parent.mkdir(parents=True, exist_ok=True)
        (root / needed).touch()
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return list(look(root))


def test_ours_are_all_pinned() -> None:
    """B-HIGH-004, B-DEP-4, A-213"""
    assert pinning.check_others(REPOSITORY).faults == ()


class TestImages:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("Dockerfile", "FROM python:3.11\n"),
            ("Dockerfile", "FROM python\n"),
            ("Dockerfile", "ARG IMAGE=python:3.11\nFROM ${IMAGE}\n"),
            ("deploy/other.Dockerfile", f"FROM python@{DIGEST} AS build\nFROM debian:12\n"),
            ("compose.yaml", "services: {db: {image: 'postgres:18'}}\n"),
            ("compose.yaml", "services: {db: {image: '${POSTGRES_IMAGE:-postgres:18}'}}\n"),
            ("deploy/compose.other.yaml", "services: {db: {image: postgres}}\n"),
            (".github/workflows/ci.yml", f"{JOB}    container: debian:12\n"),
            (".github/workflows/ci.yml", f"{JOB}    services: {{db: {{image: 'postgres:18'}}}}\n"),
        ],
    )
    def test_tag_is_seen(self, tmp_path: Path, name: str, text: str) -> None:
        assert found(pinning.loose_images, tmp_path, name, text)

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("Dockerfile", f"FROM python:3.11@{DIGEST} AS build\nFROM build\nFROM scratch\n"),
            ("Dockerfile", "ARG IMAGE\nFROM ${IMAGE}\n"),
            ("compose.yaml", f"services: {{db: {{image: 'postgres@{DIGEST}'}}}}\n"),
            ("compose.yaml", "services: {db: {image: '${IMAGE:?say which}'}, web: {image: ours, build: .}}\n"),
            (".github/workflows/ci.yml", JOB),
        ],
    )
    def test_digest_is_fine(self, tmp_path: Path, name: str, text: str) -> None:
        assert found(pinning.loose_images, tmp_path, name, text) == []


class TestActions:
    @pytest.mark.parametrize(
        "used", ["actions/checkout@v4", "actions/checkout@main", "actions/checkout", "a/b@abcdef0"]
    )
    def test_tag_is_seen(self, tmp_path: Path, used: str) -> None:
        """B-HIGH-004"""
        assert found(
            pinning.loose_actions, tmp_path, ".github/workflows/x.yml", f"{JOB}    steps: [{{uses: {used}}}]\n"
        )

    def test_commit_is_fine(self, tmp_path: Path) -> None:
        text = f"{JOB}    steps: [{{uses: 'actions/checkout@{'0a' * 20}'}}]\n"
        assert found(pinning.loose_actions, tmp_path, ".github/workflows/x.yml", text) == []


class TestPages:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("templates/a.html", '<script src="https://cdn.example.org/x.js"></script>'),
            ("templates/a.html", '<script defer src="//cdn.example.org/x.js"></script>'),
            ("templates/a.html", '<link rel="stylesheet" href="https://cdn.example.org/x.css">'),
            ("templates/a.html", "<img alt='' src='http://example.org/x.png'>"),
            ("static/js/a.js", 'import { x } from "https://cdn.example.org/x.js";'),
            ("static/css/a.css", "@import 'https://example.org/x.css';"),
            ("static/css/a.css", "a { background: url(https://example.org/x.png) }"),
        ],
    )
    def test_what_a_page_fetches_elsewhere_is_seen(self, tmp_path: Path, name: str, text: str) -> None:
        """B-HIGH-004: no CDN."""
        assert found(pinning.foreign_assets, tmp_path, name, text)

    def test_link_to_another_site_is_fine(self, tmp_path: Path) -> None:
        text = '<a href="https://example.org">There</a><script src="/static/x.js"></script>'
        assert found(pinning.foreign_assets, tmp_path, "templates/a.html", text) == []


class TestInstalls:
    @pytest.mark.parametrize(
        "line",
        [
            "python -m pip install -r x.txt",
            "pip install --upgrade pip",
            "npm install x",
            "curl -fsSL https://x | sh",
            "go install x",
        ],
    )
    def test_install_without_hashes_is_seen(self, tmp_path: Path, line: str) -> None:
        """A-45"""
        assert found(pinning.loose_installs, tmp_path, "Dockerfile", f"FROM x\nRUN {line}\n")

    def test_install_with_hashes_is_fine(self, tmp_path: Path) -> None:
        assert (
            found(pinning.loose_installs, tmp_path, "Dockerfile", "RUN pip install --require-hashes -r x.txt\n") == []
        )
