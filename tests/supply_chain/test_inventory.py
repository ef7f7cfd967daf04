"""The bill of materials and the list of licences are those of the locks."""

import json
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from tests.contracts import reading
from tests.supply_chain import inventory, locks

pytestmark = pytest.mark.security


def components() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(inventory.SBOM.read_text())["components"]
    return found


class TestBill:
    def test_lists_exactly_what_the_lock_does(self) -> None:
        """A-45, V15.1.2"""
        listed = [(canonicalize_name(each["name"]), each["version"]) for each in components()]
        assert sorted(listed) == sorted((each.name, each.version) for each in locks.read_named("base"))

    def test_has_the_hashes_of_the_lock(self) -> None:
        """A-45"""
        for component, locked in zip(
            sorted(components(), key=lambda each: str(canonicalize_name(each["name"]))),
            sorted(locks.read_named("base"), key=lambda each: each.name),
            strict=True,
        ):
            told = [each for reference in component["externalReferences"] for each in reference["hashes"]]
            assert {each["content"] for each in told} == set(locked.hashes)

    def test_is_cyclonedx_and_names_the_product(self) -> None:
        document = json.loads(inventory.SBOM.read_text())
        assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
        assert document["metadata"]["component"]["name"] == "personal-q"

    def test_each_component_has_a_licence_and_an_address(self) -> None:
        assert all(each["licenses"] for each in components())
        assert all(each["purl"].startswith("pkg:pypi/") for each in components())


class TestLicences:
    def test_list_has_every_package_of_every_lock(self) -> None:
        """A-45"""
        rows = {tuple(cells[:2]): cells[3] for cells in reading.tables(inventory.LICENCES) if len(cells) == 4}
        locked: dict[tuple[str, ...], list[str]] = {}
        for name in locks.NAMES:
            for each in locks.read_named(name):
                locked.setdefault((each.name, each.version), []).append(name)
        del rows["Package", "Version"]
        assert rows == {pair: ", ".join(names) for pair, names in locked.items()}

    @pytest.mark.parametrize(
        ("licence", "is_taken"),
        [
            ("MIT", True),
            ("GPL-3.0", False),
            ("MIT OR GPL-3.0", True),
            ("GPL-3.0 OR MIT", True),
            ("MIT AND GPL-3.0", False),
            ("", False),
            ("Proprietary", False),
        ],
    )
    def test_one_of_the_choices_has_to_be_allowed(self, licence: str, *, is_taken: bool) -> None:
        assert inventory.is_allowed(licence, {"MIT"}) is is_taken

    def test_package_under_another_licence_needs_an_exception(self) -> None:
        rules: dict[str, Any] = {"allowed": ["MIT"], "exception": []}
        assert inventory.refused({"a": "GPL-3.0", "b": "MIT", "c": ""}, rules) == ["a: GPL-3.0", "c: no licence told"]

    def test_exception_holds_for_one_licence_of_one_package(self) -> None:
        rules = {"allowed": ["MIT"], "exception": [{"licence": "GPL-3.0", "packages": ["a"], "why": "run beside"}]}
        assert inventory.refused({"a": "GPL-3.0"}, rules) == []
        assert inventory.refused({"a": "AGPL-3.0"}, rules) == [
            "a: AGPL-3.0",
            "a: the exception for GPL-3.0 is not needed",
        ]

    def test_older_words_become_names_of_spdx(self) -> None:
        words = {"MIT License": "MIT", "Apache Software License": "Apache-2.0"}
        assert inventory.in_spdx("Apache Software License; MIT License", words) == "Apache-2.0 OR MIT"
