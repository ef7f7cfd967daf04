"""The table of mutations speaks of code and tests that exist."""

import pytest

from tests.mutations.table import ROOT, Mutation, mutations


def test_names_are_unique() -> None:
    names = [mutation.name for mutation in mutations()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("mutation", mutations(), ids=lambda mutation: mutation.name)
def test_mutation_can_be_made(mutation: Mutation) -> None:
    assert [change.file for change in mutation.changes if not change.is_possible()] == []
    assert [test for test in mutation.tests if not (ROOT / test.partition("::")[0]).exists()] == []
