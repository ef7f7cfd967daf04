"""docs/dependencies.md says what is so."""

import re
import subprocess

import pytest
from packaging.requirements import Requirement
from psycopg import pq

from personalq.embedded import binaries
from tests.contracts import reading
from tests.supply_chain import __main__ as command
from tests.supply_chain import locks

pytestmark = pytest.mark.security

TEXT = (reading.REPOSITORY / "docs" / "dependencies.md").read_text()
SECURITY = (reading.REPOSITORY / "SECURITY.md").read_text()


def test_each_upper_bound_has_its_reason() -> None:
    """A-36"""
    wishes = {str(wish) for name in locks.NAMES for wish in locks.wishes(name)}
    bounded = {wish for wish in wishes if re.search(r"<|==|~=|!=", wish.partition(";")[0])}
    rows = re.findall(r"^\| `([^`]+)` \| .{20,} \|$", TEXT.partition("### Upper bounds")[2], re.MULTILINE)
    assert {frozenset(wish.replace(",", " , ").split()) for wish in bounded} == {
        frozenset(str(Requirement(row)).replace(",", " , ").split()) for row in rows
    }


def test_times_to_mend_are_told() -> None:
    """A-253, V15.1.1"""
    assert re.search(r"critical .*\| 48 hours \|", TEXT)
    assert re.search(r"high .*\| 7 days \|", TEXT)
    assert "48 hours" in SECURITY
    assert "seven days" in SECURITY


def test_who_and_when_are_told() -> None:
    """A-253, B-O-1"""
    assert "The maintainers are responsible" in TEXT
    assert "| once a month |" in TEXT


def test_documented_commands_exist() -> None:
    """A-33"""
    makefile = (reading.REPOSITORY / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z-]+)", TEXT))
    assert {name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()
    assert {"upgrade", "lock", "inventory", "supply-chain", "check"} <= named


def test_checks_of_the_table_are_those_that_are_made() -> None:
    table = TEXT.partition("## What `make supply-chain` looks at")[2]
    for name in command.CHECKS:
        assert name.removeprefix("secrets ") in table


def test_check_of_everything_includes_this_one() -> None:
    """A-29, A-212, A-226, A-230, A-236"""
    makefile = (reading.REPOSITORY / "Makefile").read_text()
    (parts,) = re.findall(r"^check: (.+)$", makefile, re.MULTILINE)
    assert set(parts.split()) == {
        "lint", "types", "supply-chain", "test", "test-product", "test-browser", "test-chaos", "test-fuzz",
    }  # fmt: skip
    assert "manage.py check --deploy --fail-level WARNING" in makefile.partition("\ntypes:")[2].partition("\n\n")[0]
    assert makefile.count("--require-hashes") == len(re.findall(r"pip install", makefile))


def test_programs_in_wheels_are_told_by_their_versions() -> None:
    server = [str(binaries.find_postgres({}) / "postgres"), "--version"]
    postgres = subprocess.run(server, capture_output=True, text=True, check=True).stdout
    valkey = subprocess.run([binaries.find_valkey({}), "--version"], capture_output=True, text=True, check=True).stdout
    assert f"PostgreSQL {re.findall(r'[0-9.]+', postgres)[0]} " in TEXT
    assert f"Valkey {re.findall(r'v=([0-9.]+)', valkey)[0]} " in TEXT
    assert f"libpq {pq.version() // 10000}.{pq.version() % 10000} " in TEXT
