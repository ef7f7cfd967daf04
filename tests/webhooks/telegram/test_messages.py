"""Texts in the sizes that Telegram takes."""

import pytest

from tests.wire.telegram_server import units
from webhooks.telegram import messages

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"


def joined(parts: list[str]) -> str:
    return "".join(parts).replace("\n", "").replace(" ", "")


@pytest.mark.parametrize(
    "text",
    [
        "x" * 50_000,
        "wörter und mehr " * 3_000,
        "\U0001f680" * 9_000,
        "e\u0301" * 9_000,
        "a\n\nb" * 5_000,
        FAMILY * 2_000,
    ],
    ids=["ascii", "words", "astral", "combining", "paragraphs", "families"],
)
class TestParts:
    def test_are_below_the_limit_in_both_countings(self, text: str) -> None:
        parts, _ = messages.parts_of(text, most_parts=100)
        assert all(0 < len(part) < 4096 and units(part) < 4096 for part in parts)

    def test_hold_everything_in_order(self, text: str) -> None:
        parts, has_more = messages.parts_of(text, most_parts=100)
        assert (joined(parts), has_more) == (text.replace("\n", "").replace(" ", ""), False)

    def test_begin_with_no_half_of_a_character(self, text: str) -> None:
        parts, _ = messages.parts_of(text, most_parts=100)
        assert all(part[0] not in "\u0301\u200d" and part[-1] != "\u200d" for part in parts)


def test_text_of_exactly_one_part_stays_whole() -> None:
    assert messages.parts_of("x" * 4000) == (["x" * 4000], False)
    assert messages.parts_of("x" * 4001) == (["x" * 4000, "x"], False)


def test_words_stay_whole() -> None:
    parts, _ = messages.parts_of("word " * 2_000)
    assert all(part.strip().endswith("word") and part.startswith("word") for part in parts)


def test_more_than_ten_parts_are_cut() -> None:
    parts, has_more = messages.parts_of("x" * 40_001)
    assert (len(parts), has_more) == (10, True)
    assert messages.parts_of("x" * 40_000)[1] is False


@pytest.mark.parametrize("text", ["", " \n\t ", "\n" * 9_000])
def test_blank_text_has_no_part(text: str) -> None:
    assert messages.parts_of(text) == ([], False)


def test_endless_cluster_is_cut_all_the_same() -> None:
    parts, _ = messages.parts_of("e" + "\u0301" * 9_000)
    assert all(units(part) < 4096 for part in parts)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;https://evil.example\x07link\x1b]8;;\x07", "link"),
        ("a\x00b\x08c", "abc"),
        ("half \ud83d here", "half \ufffd here"),
        ("is a < b && c > d? <b>bold</b>", "is a < b && c > d? <b>bold</b>"),
        ("line\r\nline", "line\nline"),
    ],
)
def test_nothing_but_words_is_sent(text: str, shown: str) -> None:
    assert messages.sendable(text) == shown


@pytest.mark.parametrize("text", ["x" * 3_000, "\U0001f680" * 3_000, "short"])
def test_shortened_text_says_so(text: str) -> None:
    short = messages.shortened(text, most_units=100)
    assert units(short) <= 100
    assert short.endswith("…") is (text != "short")


@pytest.mark.parametrize("text", ["a\n" * 500, "x" * 9_000, "\U0001f680" * 9_000, "one line"])
def test_last_lines_are_the_end(text: str) -> None:
    end = messages.last_lines(text, most_lines=12, most_units=1_500)
    assert units(end) <= 1_500
    assert len(end.split("\n")) <= 12
    assert text.rstrip().endswith(end.removeprefix("…"))
    assert end.startswith("…") is (text != "one line")
