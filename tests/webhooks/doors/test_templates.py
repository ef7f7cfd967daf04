"""Templates take values out of payloads, and nothing else."""

import time
from typing import Any

import pytest

from personalq.lib.errors import InvalidInput
from tasks.models.task import PROMPT_LENGTH
from webhooks.doors import templates
from webhooks.doors.templates import CUT_MARK, check, render

pytestmark = pytest.mark.security

PAYLOAD: dict[str, Any] = {
    "issue": {
        "title": "It breaks",
        "number": 5,
        "open": True,
        "body": None,
        "labels": [{"name": "bug"}, {"name": "ui"}],
    },
    "a-b": "hyphen",
    "0": "zero",
    "ü": "umlaut",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ issue.title }}", "It breaks"),
        ("{{issue.title}}!", "It breaks!"),
        ("{{ issue.labels.0.name }}, {{ issue.labels.1.name }}", "bug, ui"),
        ("{{ issue.number }} {{ issue.open }}", "5 true"),
        ("{{ issue.body }}", ""),
        ("{{ issue.labels }}", '[{"name": "bug"}, {"name": "ui"}]'),
        ("{{ a-b }}{{ 0 }}{{ ü }}", "hyphenzeroumlaut"),
        ("{ {{ issue.number }} }", "{ 5 }"),
        ("plain", "plain"),
    ],
)
def test_values_stand_where_they_are_asked_for(template: str, text: str) -> None:
    check(template)
    assert render(template, PAYLOAD).text == text


@pytest.mark.parametrize(
    "path",
    [
        "issue.__class__", "issue.title.upper", "issue.labels.2", "issue.labels.-1", "issue.labels.00",
        "issue.labels.x", "issue.keys", "nothing", "issue.title.0", "issue.number.real", "issue.labels.99999999999",
    ],
)  # fmt: skip
def test_what_the_payload_does_not_hold_is_empty_and_told(path: str) -> None:
    found = render(f"[{{{{ {path} }}}}]", PAYLOAD)
    assert (found.text, found.missing) == ("[]", [path])


@pytest.mark.parametrize(
    "template",
    [
        "{{", "}}", "{{ }}", "{{ a b }}", "{{ a|upper }}", "{{ 7*7 }}", "{{ a() }}", "{{ a[0] }}",
         "{{ a.. }}", "{{ .a }}", "{{ a. }}", "{{ {{ a }} }}",
        "{{ a\n}}", "{{7*7}} }}", "{{ a" + ".b" * 40 + " }}", "{{ a }}" * 201,
    ],
)  # fmt: skip
def test_what_is_no_placeholder_is_refused_when_it_is_saved(template: str) -> None:
    with pytest.raises(InvalidInput):
        check(template)


@pytest.mark.parametrize("template", ["{% if a %}", "{# a #}", "${a}", "%(a)s", "{0.__class__}", "{a}"])
def test_other_languages_are_plain_text(template: str) -> None:
    check(template)
    assert render(template, PAYLOAD).text == template


def test_values_are_not_read_again() -> None:
    assert render("{{ a }}", {"a": "{{ b }}", "b": "secret"}).text == "{{ b }}"


def test_without_a_template_all_of_the_payload_is_the_text() -> None:
    assert render("", {"a": "ü"}).text == '{\n  "a": "ü"\n}'


def test_what_is_too_long_is_cut_and_says_so() -> None:
    found = render("", {"a": "x" * 500}, most_characters=100)
    assert (len(found.text), found.is_cut, found.text.endswith(CUT_MARK)) == (100, True, True)


def test_many_placeholders_for_one_large_value_cost_no_memory() -> None:
    started = time.monotonic()
    found = render("{{ a }}" * templates.MOST_PLACEHOLDERS, {"a": "x" * 1_000_000})
    assert (len(found.text), found.is_cut) == (PROMPT_LENGTH, True)
    assert time.monotonic() - started < 5
