"""Many at once with one refresh token, each on its own connection."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from accounts import tokens
from accounts.models import TokenFamily, User
from accounts.tokens import TokenPair
from personalq.lib.errors import InvalidToken
from tests.concurrency.racing import race

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]

ROUNDS = 50
CONTENDERS = 8


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except InvalidToken:
        return "refused"


def test_exactly_one_of_many_parallel_refreshes_succeeds(alice: User) -> None:
    for _ in range(ROUNDS):
        pair = tokens.issue_pair(alice)
        refresh = partial(outcome, partial(tokens.rotate, pair.refresh))
        results = race(*[refresh] * CONTENDERS)
        winners = [result for result in results if isinstance(result, TokenPair)]
        assert len(winners) == 1, results
        assert results.count("refused") == CONTENDERS - 1
        # The losers count as reuse: nobody can tell which of them was the thief.
        assert outcome(partial(tokens.identity_of, winners[0].access)) == "refused"
    assert set(TokenFamily.objects.values_list("revoked_reason", flat=True)) == {"reuse"}


def test_refreshing_and_signing_out_at_once_leaves_nothing_alive(alice: User) -> None:
    for _ in range(ROUNDS):
        pair = tokens.issue_pair(alice)
        refreshed, signed_out = race(
            partial(outcome, partial(tokens.rotate, pair.refresh)),
            partial(outcome, partial(tokens.sign_out, pair.refresh)),
        )
        assert signed_out is None
        last = refreshed if isinstance(refreshed, TokenPair) else pair
        assert outcome(partial(tokens.identity_of, last.access)) == "refused"
        assert outcome(partial(tokens.rotate, last.refresh)) == "refused"
