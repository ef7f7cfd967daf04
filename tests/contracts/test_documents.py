"""The documents say what the code does, as far as a machine can tell."""

import json
import os
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import get_commands

from personalq.embedded.env_file import GENERATED_SECRETS, make_secret
from tests.contracts import reading

OPERATIONS = reading.REPOSITORY / "docs" / "operations.md"
DOCUMENTS = [
    *sorted(reading.REPOSITORY.glob("*.md")),
    *sorted((reading.REPOSITORY / "docs").rglob("*.md")),
]
# Belongs to the machine, to the tools or to us alone: nobody sets it.
NOT_FOR_OPERATORS = {
    "CONN_HEALTH_CHECKS",
    "DJANGO_SETTINGS_MODULE",
    "DYLD_LIBRARY_PATH",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PERSONALQ_READY_FD",
    "PERSONALQ_REDIS_DATABASE_BASE",
    "PG_VERSION",
    "PYTEST_XDIST_WORKER",
}


def read_somewhere() -> set[str]:
    embedded = reading.named_in_python(reading.REPOSITORY / "personalq" / "embedded")
    others = reading.named_in_makefile() | reading.named_in_compose()
    return ({*reading.asked_by_settings()} | embedded | others) - NOT_FOR_OPERATORS


def documented() -> dict[str, list[str]]:
    """The rows of docs/operations.md that explain a variable."""
    rows = (cells for cells in reading.tables(OPERATIONS) if re.fullmatch(r"`[A-Z][A-Z0-9_]*`", cells[0]))
    return {cells[0].strip("`"): cells[1:] for cells in rows}


class TestVariables:
    def test_each_that_is_read_is_explained(self) -> None:
        assert read_somewhere() - set(documented()) == set()

    def test_each_that_is_explained_is_read(self) -> None:
        assert set(documented()) - read_somewhere() == set()

    def test_example_file_has_all_of_them_and_no_other(self) -> None:
        assert set(reading.example_values()) == read_somewhere()

    def test_each_row_is_complete(self) -> None:
        assert [name for name, cells in documented().items() if len(cells) != 3 or not all(cells)] == []

    def test_explained_default_and_range_are_the_true_ones(self) -> None:
        explained = documented()
        said = {name: (explained[name][0], explained[name][1]) for name in reading.bounds()}
        true = {name: (f"`{each.default}`", each.allowed) for name, each in reading.bounds().items()}
        assert said == true

    def test_example_file_shows_the_true_defaults(self) -> None:
        shown = {name: reading.example_values()[name] for name in reading.bounds()}
        assert shown == {name: each.default for name, each in reading.bounds().items()}

    def test_settings_read_the_environment_only_through_its_readers(self) -> None:
        source = (reading.REPOSITORY / "personalq" / "settings.py").read_text()
        assert re.findall(r"os\.environ|getenv", source) == []

    def test_example_of_own_servers_is_understood(self) -> None:
        example = reading.example_values()
        loaded = reading.load_settings(**{name: example[name] for name in ("DATABASE_URL", "REDIS_URL")})
        assert loaded["redis"] == "redis://:PASSWORD@127.0.0.1:6379/0"

    def test_server_is_verified_as_its_address_says(self) -> None:
        """V12.3.1: what the page says about PostgreSQL reaches libpq."""
        (query,) = re.findall(r"`DATABASE_URL=postgres://…/personalq\?(\S+)`", OPERATIONS.read_text())
        code = (
            "import json; from personalq import settings; print(json.dumps(settings.DATABASES['default']['OPTIONS']))"
        )
        address = f"postgres://personalq:password@db.invalid/personalq?{query}"
        options = json.loads(
            reading.loaded_by(code, DATABASE_URL=address, REDIS_URL="rediss://:password@cache.invalid")
        )
        assert (options["sslmode"], options["sslrootcert"]) == ("verify-full", "/path/ca.pem")


@pytest.mark.security
class TestExampleSecrets:
    def start_with_example(self, **environment: str) -> str:
        done = reading.run_python("import personalq.settings", PERSONALQ_ENV_FILE=str(reading.EXAMPLE), **environment)
        return done.stderr.strip().splitlines()[-1] if done.returncode else "accepted"

    @pytest.mark.parametrize("name", GENERATED_SECRETS)
    def test_start_refuses_each_of_them_by_name(self, name: str) -> None:
        good = {other: make_secret() for other in GENERATED_SECRETS if other != name}
        assert re.search(rf": {name} (\(entry 1\) )?is a placeholder", self.start_with_example(**good))

    def test_refusal_does_not_show_the_value(self) -> None:
        assert reading.example_values()["SECRET_KEY"] not in self.start_with_example()

    def test_start_would_accept_the_file_with_good_secrets(self) -> None:
        good = {name: make_secret() for name in GENERATED_SECRETS}
        assert self.start_with_example(**good) == "accepted"

    def test_start_without_a_secret_names_it(self) -> None:
        for missing in GENERATED_SECRETS:
            good = {name: make_secret() for name in GENERATED_SECRETS if name != missing}
            done = reading.run_python("import personalq.settings", **good)
            assert done.returncode == 1
            assert missing in done.stderr.strip().splitlines()[-1]

    def test_passwords_for_compose_are_left_blank(self) -> None:
        shown = {name: value for name, value in reading.example_values().items() if name.endswith("_PASSWORD")}
        assert set(shown.values()) == {""}

    def test_env_file_stays_out_of_git_and_out_of_images(self) -> None:
        ignored = (reading.REPOSITORY / ".gitignore").read_text().splitlines()
        assert ".env" in ignored
        assert not any(line.startswith("!") for line in ignored)
        assert "**/.env*" in (reading.REPOSITORY / ".dockerignore").read_text().splitlines()


@pytest.mark.security
def test_pages_open_one_socket_and_bring_no_token_in_an_address() -> None:
    """B-LOW-004: the token is the first message."""
    scripts = {path: path.read_text() for path in (reading.REPOSITORY / "static" / "js").rglob("*.js")}
    opened = [found for text in scripts.values() for found in re.findall(r"new WebSocket\((.*)\);", text)]
    assert opened == ["`${scheme}//${location.host}/ws/`"]
    assert sum(text.count("WebSocket(") for text in scripts.values()) == 1
    assert [str(path) for path, text in scripts.items() if re.search(r"[?&]\w*token\w*=", text, re.IGNORECASE)] == []


def our_commands() -> list[str]:
    ours = {config.name for config in apps.get_app_configs() if Path(config.path).parent == reading.REPOSITORY}
    return sorted(name for name, app in get_commands().items() if app in ours)


@pytest.mark.parametrize("command", [*our_commands(), "up"])
def test_management_command_is_documented(command: str) -> None:
    assert re.search(rf"(?:manage\.py|pq) {command}\b", OPERATIONS.read_text())


def test_our_commands_are_found() -> None:
    assert "ensure_first_operator" in our_commands()
    assert "migrate" not in our_commands()


def headings(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    titles = re.findall(r"^#{1,6} (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def leads_somewhere(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = Path(os.path.normpath(document.parent / path)) if path else document
    if not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in headings(target)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    relative = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in relative if not leads_somewhere(document, link)] == []
