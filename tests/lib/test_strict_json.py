import contextlib
import json
import time
import tracemalloc
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personalq.lib.errors import MalformedBody, UnsupportedMediaType
from personalq.lib.strict_json import StrictJSONParser, is_storable_text, parse

pytestmark = pytest.mark.security

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": [1, -2, 3.5, true, null, "\xc3\xa9"]}', {"a": [1, -2, 3.5, True, None, "é"]}),
        (b" [1]\n", [1]),
        (b'"\\u00e9\\ud83d\\ude00"', "é😀"),
        (b'{"[{[{": "]}\\"]["}', {"[{[{": ']}"]['}),
        (b"-99999999999999999999"[:20], -9999999999999999999),
        (b"1e300", 1e300),
    ],
)
def test_honest_json_is_read(data: bytes, value: object) -> None:
    assert parse(data) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" \n\t",
        b"{",
        b'{"a":1',
        b'{"a":1} x',
        b"{'a':1}",
        b'{"a":1,}',
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"1e400",
        b"-1e400",
        b"1" * 21,
        b"0." + b"1" * 100,
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'[{"b":{"a":1,"a":1}}]',
        b'"\\u0000"',
        b'{"a\\u0000":1}',
        b'["\\ud800"]',
        b'{"\\udfff":1}',
        b'"\\ude00\\ud83d"',
        b'"a\x00b"',
        b'"a\nb"',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xc0\xaf"',
        b"[" * 33 + b"]" * 33,
        b'{"a":' * 33 + b"1" + b"}" * 33,
        '{"a":\uff11}'.encode(),
        b"01",
        b"+1",
        b"0x10",
        b"undefined",
    ],
)
def test_everything_else_is_refused_without_a_word_of_it(data: bytes) -> None:
    with pytest.raises(MalformedBody) as caught:
        parse(data)
    assert caught.value.status == 400
    assert "codec" not in caught.value.detail
    assert "Expecting" not in caught.value.detail


def test_depth_is_counted_outside_of_strings_only() -> None:
    assert parse(b"[" * 32 + b"]" * 32)
    assert parse(b'["' + b"[" * 1000 + b'"]') == ["[" * 1000]


def test_members_are_bounded() -> None:
    assert len(parse(b"[" + b"1," * 9 + b"1]", max_members=10)) == 10  # type: ignore[arg-type]
    with pytest.raises(MalformedBody, match="members"):
        parse(b"[" + b"1," * 10 + b"1]", max_members=10)


HOSTILE = {
    "nested arrays": b"[" * MEGABYTE,
    "nested objects": b'{"a":' * (MEGABYTE // 5),
    "flat members": b"[" + b"1," * (MEGABYTE // 2) + b"1]",
    "empty objects": b"[" + b"{}," * (MEGABYTE // 3) + b"{}]",
    "open and close": b"[]" * (MEGABYTE // 2),
    "one open string": b'"' + b"a" * MEGABYTE,
    "escaped quotes, open": b'"\\"' * (MEGABYTE // 3),
    "escaped quotes, cut within an escape": b'\\"' * (MEGABYTE // 2) + b"\\",
    "quotes": b'"' * MEGABYTE,
    "backslashes": b'"' + b"\\" * MEGABYTE,
    "long integer": b"1" * MEGABYTE,
    "long fraction": b"0." + b"1" * MEGABYTE,
    "long exponent": b"1e" + b"1" * MEGABYTE,
    "many keys": b"{" + b",".join(b'"%d":1' % n for n in range(100_000)) + b"}",
    "equal keys": b"{" + b'"a":1,' * (MEGABYTE // 6) + b'"a":1}',
    "surrogate escapes": b'"' + b"\\ud800" * (MEGABYTE // 6) + b'"',
    "white space": b" " * MEGABYTE,
    "white space within": b"[" + b" " * MEGABYTE + b"]x",
    "brackets closed first": b"]" * MEGABYTE,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_megabyte_costs_less_than_a_second(data: bytes) -> None:
    started = time.process_time()
    with contextlib.suppress(MalformedBody):
        parse(data)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_megabyte_needs_less_than_50_megabytes(data: bytes) -> None:
    tracemalloc.start()
    try:
        with contextlib.suppress(MalformedBody):
            parse(data)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 50 * MEGABYTE


texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | texts,
    lambda children: st.lists(children) | st.dictionaries(texts, children),
    max_leaves=20,
)


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(MalformedBody):
        parse(data)


@given(json_values)
def test_what_python_writes_is_read_back(value: object) -> None:
    text = json.dumps(value)
    if "\\u0000" in text:
        with pytest.raises(MalformedBody):
            parse(text.encode())
    else:
        assert parse(text.encode(), max_depth=100) == value


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x\udfff"])
def test_text_that_postgresql_cannot_hold_is_known(text: str) -> None:
    assert not is_storable_text(text)


class TestParser:
    def test_object_is_taken(self) -> None:
        assert StrictJSONParser().parse(BytesIO(b'{"a": 1}'), "application/json") == {"a": 1}

    @pytest.mark.parametrize("charset", ["utf-16", "latin-1", "utf-7", "no-such-charset", "utf-8x"])
    def test_other_charsets_are_refused(self, charset: str) -> None:
        with pytest.raises(UnsupportedMediaType):
            StrictJSONParser().parse(BytesIO(b"{}"), f"application/json; charset={charset}")

    @pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "utf8"])
    def test_utf8_is_taken_in_every_spelling(self, charset: str) -> None:
        assert StrictJSONParser().parse(BytesIO(b"{}"), f"application/json; charset={charset}") == {}

    @pytest.mark.parametrize("body", [b"[1]", b"1", b'"x"', b"null", b"true"])
    def test_only_objects_are_taken(self, body: bytes) -> None:
        with pytest.raises(MalformedBody, match="object"):
            StrictJSONParser().parse(BytesIO(body))

    def test_a_view_may_take_arrays(self) -> None:
        class View:
            accepts_json_array = True

        assert StrictJSONParser().parse(BytesIO(b"[1]"), None, {"view": View()}) == [1]
