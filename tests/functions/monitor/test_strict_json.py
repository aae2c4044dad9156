"""What is read without orjson is what orjson reads."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.monitor.strict_json import loads_without_orjson

REFUSED = object()
TEXTS = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "9" * 400, "9" * 5000, "-" + "9" * 400),
    *("123456789012345678901234567890", "18446744073709551615", "18446744073709551616"),
    *("-9223372036854775808", "-9223372036854775809", "123456789012345678901234567890.0", "-0", "-0.0", "5e-324"),
    *(r'"\ud800"', r'"\ud83d\ude00"', r'"\uDE00\uD83D"', r'{"\ud800":1}', r'"\\ud800"', r'"\u0000"', r'"\x"'),
    *("", " ", "01", "1.", ".5", "+1", "1 2", "[1,]", "\x0c1", '"\x01"', '"a\tb"', '{"a":1,"a":2}', "\ufeff1"),
    *("[" * 500 + "]" * 500, "[" * 1025 + "]" * 1025, "[" * 100_000, '"' + "[" * 2000 + '"', "[]" * 2000),
)
BYTES = (b'"\xff"', b'"\xed\xa0\x80"', b'{"a":"\xc3"}', '"grün"'.encode())


def read_by_orjson(text: bytes) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return REFUSED


def read_without(text: bytes) -> object:
    try:
        return loads_without_orjson(text)
    except ValueError:
        return REFUSED


@pytest.mark.parametrize("text", [*(text.encode() for text in TEXTS), *BYTES], ids=lambda text: repr(text[:30]))
def test_corners_are_read_or_refused_alike(text: bytes) -> None:
    assert repr(read_without(text)) == repr(read_by_orjson(text))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_whatever_python_writes_is_read_or_refused_alike(value: object) -> None:
    text = json.dumps(value).encode()

    assert repr(read_without(text)) == repr(read_by_orjson(text))


@given(st.text(alphabet='0123456789eE+-.[]{}",:ntfu\\d8 \ud83d', max_size=25))
def test_whatever_looks_like_json_is_read_or_refused_alike(text: str) -> None:
    content = text.encode("utf-8", "surrogatepass")

    assert repr(read_without(content)) == repr(read_by_orjson(content))
