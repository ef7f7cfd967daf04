"""Text for the ear."""

import time

import pytest

from webhooks.voice.spoken import MORE, MOST_READ, spoken

MARKED = """# Title

Here **is** a _list_ and ~~more~~:

- one `x_y`
* two [the page](https://a.example/b_c)

| a | b |
|---|---|
| 1 | 2 |

```python
print("x")
```
> see https://example.org/a?b=c now; 2 * 3, snake_case_name
"""
TRAPS = ["*", "_ ", "[", "| ", "`", "https://", "-", "a*", " \t", "[a](", "![", "a.", "\n", "~~", "\n> "]


def test_signs_of_markdown_are_not_read_out() -> None:
    assert spoken(MARKED, most=600).splitlines() == [
        "Title",
        "Here is a list and more:",
        "one x_y",
        "two the page",
        "a, b",
        "1, 2",
        'print("x")',
        "see a link now; 2 * 3, snake_case_name",
    ]


def test_long_text_ends_with_a_whole_sentence_and_says_that_there_is_more() -> None:
    said = spoken("A sentence of some length. " * 50, most=600)
    assert len(said) <= 600
    assert said.endswith(f"of some length. {MORE}")


def test_text_without_sentences_ends_with_a_whole_word() -> None:
    said = spoken("word " * 400, most=600)
    assert len(said) <= 600
    assert said == f"{' '.join(['word'] * 115)} {MORE}"


def test_text_without_words_is_cut_where_it_must_be() -> None:
    assert spoken("x" * 1000, most=100) == f"{'x' * (100 - len(MORE) - 1)} {MORE}"


def test_text_that_just_fits_is_whole() -> None:
    assert spoken("x" * 600, most=600) == "x" * 600
    assert spoken("", most=600) == ""


def test_what_is_beyond_the_part_that_is_read_is_said_to_be_there() -> None:
    assert spoken("`" * MOST_READ + "end", most=600).endswith(MORE)


@pytest.mark.parametrize("piece", TRAPS)
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    spoken(piece * (MOST_READ // len(piece)), most=2_500)
    assert time.process_time() - began < 0.5
