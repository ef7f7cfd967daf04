import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework import serializers

from personalq.lib.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictIntegerField,
    StrictJSONField,
    StrictListField,
    StrictSerializer,
    StrictSlugField,
    StrictUUIDField,
)

pytestmark = pytest.mark.security

ID = "123e4567-e89b-42d3-a456-426614174000"
NOT_TEXT: list[Any] = [1, 1.5, True, None, [], {}, ["a"], {"a": 1}]


def code_of(field: Any, value: Any) -> str:
    with pytest.raises(serializers.ValidationError) as caught:
        field.run_validation(value)
    codes: Any = caught.value.get_codes()
    return str(codes[0])


@pytest.mark.parametrize("text", ["a", " a ", "a\nb", "é😀", "\t<script>alert(1)</script>", "{{7*7}}", "0"])
def test_text_is_kept_exactly(text: str) -> None:
    assert StrictCharField(max_length=50).run_validation(text) == text


@pytest.mark.parametrize("value", NOT_TEXT)
def test_only_strings_are_text(value: Any) -> None:
    assert code_of(StrictCharField(max_length=9), value) in {"invalid", "null"}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "blank"),
        (" \n\t\u2003", "blank"),
        ("a" * 10, "max_length"),
        ("a\x00", "null_characters_not_allowed"),
        ("\ud800", "surrogate_characters_not_allowed"),
    ],
)
def test_bad_text_is_refused(value: str, code: str) -> None:
    assert code_of(StrictCharField(max_length=9), value) == code


def test_text_without_bound_cannot_be_declared() -> None:
    with pytest.raises(TypeError):
        StrictCharField()  # type: ignore[call-arg]


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\x1bb", "a\x7fb", "a\u2028b", "a\x85b"])
def test_one_line_has_no_control_characters(value: str) -> None:
    assert code_of(StrictCharField(max_length=9, single_line=True), value) == "single_line"


@pytest.mark.parametrize("value", [" a", "a ", "\u00a0a"])
def test_edge_space_is_refused_where_asked(value: str) -> None:
    assert code_of(StrictCharField(max_length=9, refuse_edge_space=True), value) == "edge_space"


def test_slug_is_ascii() -> None:
    assert StrictSlugField(max_length=9).run_validation("a-b_c.9") == "a-b_c.9"
    for value in ("-a", ".a", "a b", "ä", "a\n", "a/b", "a:b", "a*"):
        assert code_of(StrictSlugField(max_length=9), value) == "slug"


@pytest.mark.parametrize("value", [True, False, "1", "\uff11", 1.0, "1.0", None, [], {}, [1]])
def test_integers_are_not_guessed(value: Any) -> None:
    assert code_of(StrictIntegerField(min_value=0, max_value=9), value) in {"invalid", "null"}


def test_integers_are_bounded() -> None:
    field = StrictIntegerField(min_value=-1, max_value=9)
    assert [field.run_validation(n) for n in (-1, 0, 9)] == [-1, 0, 9]
    assert code_of(field, 10) == "max_value"
    assert code_of(field, -2) == "min_value"
    assert code_of(field, 10**400) == "max_value"


@pytest.mark.parametrize("value", [0, 1, "true", "True", "yes", "", None, [], {}, 1.0])
def test_booleans_are_not_guessed(value: Any) -> None:
    assert code_of(StrictBooleanField(), value) in {"invalid", "null"}


def test_booleans() -> None:
    assert StrictBooleanField().run_validation(True) is True
    assert StrictBooleanField().run_validation(False) is False


@pytest.mark.parametrize("value", [1, True, None, ["a"], {"a": 1}, "c", "A", " a", "1"])
def test_choices_are_exact(value: Any) -> None:
    field = StrictChoiceField(choices=["a", "b"])
    assert code_of(field, value) in {"invalid_choice", "null"}
    assert field.run_validation("a") == "a"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00+02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("2026-01-31 12:00:00.25-00:30", datetime(2026, 1, 31, 12, 30, 0, 250000, tzinfo=UTC)),
    ],
)
def test_moments_become_utc(text: str, moment: datetime) -> None:
    value = StrictDateTimeField().run_validation(text)
    assert value == moment
    assert value.utcoffset().total_seconds() == 0


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-31T12:00:00",
        "2026-01-31",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "1970-01-01T00:30:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "10000-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-31T24:01:00Z",
        "2026-01-31T12:00:00+25:00",
        "\uff12\uff1026-01-31T12:00:00Z",
        "2026-01-31T12:00:00Z\n",
        " 2026-01-31T12:00:00Z",
        "2026-W05-6T12:00:00Z",
        "now",
        "",
        0,
        1767225600,
        True,
        None,
        [],
        {},
    ],
)
def test_bad_moments_are_refused(value: Any) -> None:
    assert code_of(StrictDateTimeField(), value) in {"invalid", "null"}


@pytest.mark.parametrize(
    "value",
    [
        ID.replace("-", ""),
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        f" {ID}",
        f"{ID}\n",
        ID[:-1],
        "1",
        1,
        True,
        None,
        [],
        ID + "0",
    ],
)
def test_only_the_canonical_form_is_an_id(value: Any) -> None:
    assert code_of(StrictUUIDField(), value) in {"invalid", "null"}


def test_id() -> None:
    assert StrictUUIDField().run_validation(ID) == uuid.UUID(ID)
    assert StrictUUIDField().run_validation(ID.upper()) == uuid.UUID(ID)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("a\x00b", "invalid"),
        ("\ud800", "invalid"),
        ({"\x00": 1}, "invalid"),
        ({"a": [{"b": "\udfff"}]}, "invalid"),
        (float("nan"), "invalid"),
        ([float("inf")], "invalid"),
        ({1: 2}, "invalid"),
        ({"a": object()}, "invalid"),
        (nested(5), "too_deep"),
        (nested(100_000), "too_deep"),
        ("a" * 99, "too_large"),
        ("é" * 50, "too_large"),
    ],
)
def test_bad_json_values_are_refused(value: Any, code: str) -> None:
    assert code_of(StrictJSONField(max_bytes=100, max_depth=4), value) == code


@pytest.mark.parametrize("value", [nested(4), {"a": {"b": [1.5, None, True]}}, "a" * 98, 0, False, ""])
def test_json_values_within_bounds_are_kept(value: Any) -> None:
    assert StrictJSONField(max_bytes=100, max_depth=4).run_validation(value) == value


def test_json_objects_only_where_asked() -> None:
    assert code_of(StrictJSONField(object_only=True), [1]) == "not_an_object"


@pytest.mark.parametrize("value", ["ab", {"a": 1}, 1, True, None, {0: "a"}])
def test_only_arrays_are_lists(value: Any) -> None:
    field = StrictListField(max_length=3, child=StrictCharField(max_length=1))
    assert code_of(field, value) in {"not_a_list", "null"}


def test_lists_are_bounded() -> None:
    assert code_of(StrictListField(max_length=1, child=StrictCharField(max_length=1)), ["a", "b"]) == "max_length"


def test_items_of_too_long_a_list_are_not_looked_at() -> None:
    assert code_of(StrictListField(max_length=1, child=StrictCharField(max_length=1)), [1] * 2) == "max_length"


class Person(StrictSerializer):
    name = StrictCharField(max_length=5)
    id = serializers.IntegerField(read_only=True)


def errors_of(data: Any) -> dict[str, list[str]]:
    serializer = Person(data=data)
    assert not serializer.is_valid()
    return {name: [each.code for each in errors] for name, errors in serializer.errors.items()}


def test_unknown_and_server_written_members_are_named() -> None:
    assert errors_of({"name": "a", "nmae": 1, "id": 7}) == {"nmae": ["unknown_field"], "id": ["read_only"]}


def test_unknown_members_are_named_together_with_bad_ones() -> None:
    assert errors_of({"name": 1, "x": 1}) == {"name": ["invalid"], "x": ["unknown_field"]}
    assert errors_of({"x": 1}) == {"name": ["required"], "x": ["unknown_field"]}


def test_reported_names_are_bounded() -> None:
    errors = errors_of({"name": "a", **{f"{n}{'x' * 5000}": 1 for n in range(500)}})
    assert len(errors) == 20
    assert max(len(name) for name in errors) == 100


@pytest.mark.parametrize("data", [[], "a", 1, None, [{"name": "a"}]])
def test_only_objects_are_bodies(data: Any) -> None:
    assert errors_of(data)["non_field_errors"][0] in {"invalid", "null"}
