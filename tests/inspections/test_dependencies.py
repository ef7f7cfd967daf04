"""Dependencies: a report of pip-audit, an advisory service that answers, one that lies, and none at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from personalq.lib.inspections.dependencies import CONTROL, installed_packages
from tests.inspections.looking import look
from tests.wire.server import Exchange, WireServer

pytestmark = pytest.mark.security


def report(tmp_path: Path, *, vulnerable: str = "", changed: str = "") -> Path:
    """What `pip-audit --format json` writes of what is installed here."""
    dependencies = [
        {
            "name": name,
            "version": "0.0.0" if name == changed else version,
            "vulns": [{"id": "PYSEC-1", "fix_versions": [], "aliases": [], "description": ""}]
            if name == vulnerable
            else [],
        }
        for name, version in installed_packages().items()
    ]
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"dependencies": dependencies, "fixes": []}))
    return path


def test_a_report_about_what_is_installed_counts(tmp_path: Path) -> None:
    assert look("dependencies.advisories", advisories=report(tmp_path)).grade == "ok"
    result = look("dependencies.advisories", advisories=report(tmp_path, vulnerable="django"))
    assert (result.grade, "PYSEC-1" in result.sentence) == ("high", True)


def test_a_report_about_something_else_does_not_count(tmp_path: Path) -> None:
    result = look("dependencies.advisories", advisories=report(tmp_path, changed="django"))
    assert (result.grade, "not about what is installed: django" in result.sentence) == ("medium", True)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"dependencies": 1}', '{"dependencies": [1]}', "\xff"])
def test_a_file_that_is_no_report_does_not_count(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text, encoding="latin-1")
    assert look("dependencies.advisories", advisories=path).grade == "medium"
    assert look("dependencies.advisories", advisories=tmp_path / "missing").grade == "medium"


def service(vulnerable: dict[str, list[str]], *, status: int = 200) -> WireServer:
    """The OSV API's querybatch, for the packages that are known to be vulnerable."""

    async def handle(exchange: Exchange) -> None:
        assert exchange.request.path == "/v1/querybatch"
        queries = json.loads(exchange.request.body)["queries"]
        names = [each["package"]["name"] if each["version"] != CONTROL[1] else "control" for each in queries]
        results = [{"vulns": [{"id": one} for one in vulnerable[name]]} if name in vulnerable else {} for name in names]
        await exchange.answer(status, {"Content-Type": "application/json"}, json.dumps({"results": results}).encode())

    return WireServer(handle)


def asked(server: WireServer, settings: Any) -> Any:
    settings.PERSONALQ_INTERNAL_HOSTS = [server.target]
    return look("dependencies.advisories", advisory_service=server.url)


def test_an_advisory_service_is_asked_about_every_package(settings: Any) -> None:
    with service({"control": ["GHSA-0"]}) as server:
        assert asked(server, settings).grade == "ok"
        (request,) = server.requests
    assert len(json.loads(request.body)["queries"]) == len(installed_packages()) + 1
    with service({"control": ["GHSA-0"], "django": ["GHSA-1"]}) as server:
        result = asked(server, settings)
    assert (result.grade, "GHSA-1" in result.sentence) == ("high", True)


def test_a_service_that_knows_nothing_of_a_known_vulnerability_is_not_believed(settings: Any) -> None:
    with service({}) as server:
        result = asked(server, settings)
    assert (result.grade, "known to be vulnerable" in result.sentence) == ("medium", True)


def test_a_service_that_fails_or_is_not_there_gives_no_green(settings: Any) -> None:
    with service({"control": ["GHSA-0"]}, status=503) as server:
        assert asked(server, settings).grade == "medium"
    result = asked(server, settings)
    assert (result.grade, "cannot be reached" in result.sentence) == ("medium", True)


def test_nobody_asked_means_nobody_knows() -> None:
    result = look("dependencies.advisories")
    assert (result.grade, result.sentence.startswith("Not checked")) == ("medium", True)
