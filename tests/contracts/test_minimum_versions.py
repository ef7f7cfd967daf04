"""No lock is older than what the two audits, and the advisories since, ask for."""

from importlib.metadata import version

import django
import pytest
from packaging.version import Version

from tests.supply_chain import locks

pytestmark = pytest.mark.security

# Line of the acceptance list → package → oldest version that we take.
MINIMUM = {
    "A-39": {"django": "5.2.19", "djangorestframework": "3.18.3"},
    "A-40": {"httpx2": "2.0", "httpcore2": "2.0", "idna": "3.20", "certifi": "2026.1"},
    "A-41": {"redis": "8.1.0", "channels-redis": "4.3.0", "kombu": "5.7.0"},
    "A-42": {"celery": "5.7.0"},
    "A-44": {"django-environ": "0.14.0"},
    "B-DEP-1": {"pyjwt": "2.15.1"},
    "B-DEP-2": {"cryptography": "50.0.2"},
    "0.18": {"daphne": "4.2.2"},
}
ROWS = [(line, name, least) for line, packages in MINIMUM.items() for name, least in packages.items()]
# no SDK of ElevenLabs is needed. B-DEP-3: and nothing needs httplib2. The others have newer names here.
ABSENT = ("elevenlabs", "httplib2", "httpx", "httpcore", "requests", "pycrypto", "python-jose")


def locked(name: str, package: str) -> list[str]:
    return [each.version for each in locks.read_named(name) if each.name == package]


@pytest.mark.parametrize(("line", "package", "least"), ROWS)
def test_package_is_new_enough(line: str, package: str, least: str) -> None:
    versions = [found for name in ("base", "dev") for found in locked(name, package)]
    assert versions, f"{line}: {package} is not locked"
    assert not [found for found in versions if Version(found) < Version(least)], line


@pytest.mark.parametrize(("line", "package", "least"), ROWS)
def test_what_is_installed_is_new_enough(line: str, package: str, least: str) -> None:
    assert Version(version(package)) >= Version(least), line


def test_django_itself_says_so() -> None:
    """A-39"""
    assert (5, 2, 19) <= django.VERSION[:3] < (6,)


@pytest.mark.parametrize("package", ABSENT)
def test_package_is_in_no_lock_of_the_product(package: str) -> None:
    """A-43, B-DEP-3"""
    assert locked("base", package) == []


def test_httplib2_is_nowhere() -> None:
    """B-DEP-3"""
    assert [name for name in locks.NAMES if locked(name, "httplib2")] == []


def test_product_and_tests_have_the_same_versions() -> None:
    """A-31, A-32: what was tested is what is installed."""
    tested = {(each.name, each.version) for each in locks.read_named("dev")}
    assert {(each.name, each.version) for each in locks.read_named("base")} <= tested
