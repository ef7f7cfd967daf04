"""Durations as people read them."""

import pytest

from realtime.words import duration_in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.25, "0.2 s"),
        (59, "59 s"),
        (61, "1 min 1 s"),
        (3_600 * 47 + 60, "47 h 1 min"),
        (3_600 * 48, "2 days 0 h"),
        (3_600 * 15_153, "631 days 9 h"),
    ],
)
def test_durations_are_told_in_the_two_largest_units(seconds: float, words: str) -> None:
    assert duration_in_words(seconds) == words
