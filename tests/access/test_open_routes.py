"""A-50: the routes that answer anybody are those of one short list, here and for `security_audit`."""

import pytest

from personalq.lib.open_routes import OPEN_ROUTES, addresses
from tests.access.matrix import ALL_METHODS, MATRIX
from tests.access.routes import all_routes

pytestmark = pytest.mark.security


def is_good(answer: int | str) -> bool:
    return isinstance(answer, int) and 200 <= answer < 300


# What answers anybody who brings the right secret in the body; without it the matrix's other rows speak.
WITH_SECRET = {("api-auth-token", "POST")}


def test_rows_in_which_anybody_gets_something_are_those_of_the_list() -> None:
    given = {
        (name, method)
        for name, row in MATRIX.items()
        for method in ALL_METHODS
        if (cell := row.expected(method)) and is_good(cell[0])
    }
    listed = {(name, method) for name, methods in OPEN_ROUTES.items() for method in methods}
    assert given - WITH_SECRET - listed == set()
    assert {name for name, _ in listed} <= set(MATRIX)


def test_every_route_has_an_address_at_which_it_can_be_asked() -> None:
    made, failed = addresses()
    assert failed == []
    assert len(made) == len(all_routes())
