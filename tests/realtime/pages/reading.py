"""Looking at a page as its reader does."""

import html
import re
from typing import Any


def text_of(answer: Any) -> str:
    """What a page says, without its tags and in one line."""
    body = re.sub(r"<(script|style|svg)\b.*?</\1>", "", answer.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def tasks_in(answer: Any) -> list[str]:
    """The ids of the rows, from the top."""
    return re.findall(r'data-task="([0-9a-f-]{36})"', answer.content.decode())


def buttons_in(answer: Any) -> list[str]:
    """The verbs that a page offers."""
    return re.findall(r'data-verb="(\w+)"', answer.content.decode())


def output_in(answer: Any) -> str:
    """The text on the screen, as a browser would have it."""
    found = re.search(r'<pre id="output"[^>]*>\n(.*?)</pre>', answer.content.decode(), flags=re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


def attribute(answer: Any, name: str) -> str:
    found = re.search(rf' {name}="([^"]*)"', answer.content.decode())
    assert found is not None, f"no {name}"
    return html.unescape(found[1])
