"""Every way that a field can be wrong becomes a pointer, a code, what was found and what is allowed."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.gateway.field_problems import (
    MAXIMUM_FOUND_CHARACTERS,
    MAXIMUM_PROBLEMS,
    pointer_of,
    problems_of,
    shorten_json,
)
from model_packages.errors import FieldProblem
from model_packages.interface import load_interface
from tests.functions.doubles import REQUEST


def png_in_base64(*, width: int, height: int) -> str:
    """As much of a grey PNG as the schema reads: its header."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header + bytes(4)
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunk).decode()


def problems_with(body: bytes) -> tuple[FieldProblem, ...]:
    request = load_interface("flowers").request
    with pytest.raises(ValidationError) as raised:
        request.model_validate_json(body)
    return problems_of(raised.value)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("petal_length", 31, FieldProblem("/petal_length", "less_than_equal", "31", "30.0 or less")),
        ("petal_length", -0.5, FieldProblem("/petal_length", "greater_than_equal", "-0.5", "0.0 or more")),
        ("petal_length", "1.5", FieldProblem("/petal_length", "float_type", '"1.5"', "a number")),
        ("petal_length", None, FieldProblem("/petal_length", "float_type", "null", "a number")),
        ("petals", 1.5, FieldProblem("/petals", "int_type", "1.5", "an integer")),
        ("petals", 10**40, FieldProblem("/petals", "less_than_equal", str(10**40), "200 or less")),
        ("colour", "red", FieldProblem("/colour", "literal_error", '"red"', "'white', 'yellow' or 'blue'")),
        ("colour", 3, FieldProblem("/colour", "literal_error", "3", "'white', 'yellow' or 'blue'")),
        ("wild", "true", FieldProblem("/wild", "bool_type", '"true"', "true or false")),
        ("note", 7, FieldProblem("/note", "string_type", "7", "a text")),
        ("note", "x" * 21, FieldProblem("/note", "string_too_long", f'"{"x" * 21}"', "20 characters or fewer")),
        ("spectrum", [0.0] * 3, FieldProblem("/spectrum", "too_short", "3 items", "4 items or more")),
        ("spectrum", [0.0] * 5, FieldProblem("/spectrum", "too_long", "5 items", "4 items or fewer")),
        ("spectrum", {}, FieldProblem("/spectrum", "list_type", "{}", "an array")),
        ("spectrum", [0.0, 2.0, 0.0, 0.0], FieldProblem("/spectrum/1", "less_than_equal", "2.0", "1.0 or less")),
        ("photo", [[0, 256], [0, 0]], FieldProblem("/photo/0/1", "less_than_equal", "256", "255 or less")),
        ("photo", "no", FieldProblem("/photo", "image_base64", '"no"', "a PNG in base64")),
        ("photo", "bm8=", FieldProblem("/photo", "image_png", '"bm8="', "a PNG in base64")),
        ("height", 0, FieldProblem("/height", "greater_than", "0", "more than 0.0")),
        ("height", 500, FieldProblem("/height", "less_than", "500", "less than 500.0")),
        ("height", 0.7, FieldProblem("/height", "multiple_of", "0.7", "a multiple of 0.5")),
        ("collection", "A", FieldProblem("/collection", "string_too_short", '"A"', "2 characters or more")),
        (
            "collection",
            "abc",
            FieldProblem("/collection", "string_pattern_mismatch", '"abc"', "a text that matches ^[A-Z]+$"),
        ),
        ("weight", 1e39, FieldProblem("/weight", "less_than_equal", "1e+39", "3.4028234663852886e+38 or less")),
        ("weight", -1e39, FieldProblem("/weight", "greater_than_equal", "-1e+39", "-3.4028234663852886e+38 or more")),
        ("weight", 10**39, FieldProblem("/weight", "less_than_equal", f"{10**39}", "3.4028234663852886e+38 or less")),
        ("visitors", 2**63, FieldProblem("/visitors", "less_than_equal", f"{2**63}", f"{2**63 - 1} or less")),
        ("a/b~c", 1, FieldProblem("/a~1b~0c", "extra_forbidden", "1", "no field of that name")),
    ],
)
def test_a_bad_field_is_named(field: str, value: Any, expected: FieldProblem) -> None:
    body = json.dumps({**REQUEST, field: value}).encode()

    assert problems_with(body) == (expected,)


def test_a_png_of_another_size_is_told_both_sizes() -> None:
    body = json.dumps({**REQUEST, "photo": png_in_base64(width=3, height=2)}).encode()

    [problem] = problems_with(body)

    assert problem.found == "[2, 3, 1, 8]"
    assert problem.allowed == "a PNG with [height, width, channels, bits] = [2, 2, 1, 8]"


def test_a_missing_field_is_pointed_at_where_it_should_be() -> None:
    body = json.dumps({key: value for key, value in REQUEST.items() if key != "wild"}).encode()

    assert problems_with(body) == (FieldProblem("/wild", "missing", "nothing", "a value: the field is required"),)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(number: str) -> None:
    body = json.dumps(REQUEST).replace("1.5", number).encode()

    [problem] = problems_with(body)

    assert (problem.pointer, problem.code, problem.allowed) == ("/petal_length", "finite_number", "a finite number")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"note":"\xff"}', b"{}x", b"\xef\xbb\xbf{}", b"[" * 5000, b'{"petals":' + b"9" * 5000],
)
def test_what_is_not_json_is_one_problem_of_the_whole_body(body: bytes) -> None:
    [problem] = problems_with(body)

    assert (problem.pointer, problem.code, problem.allowed) == ("", "json_invalid", "one JSON value in UTF-8")


@pytest.mark.parametrize("body", [b"[]", b"null", b"3", b'"text"'])
def test_json_that_is_no_object_is_one_problem_of_the_whole_body(body: bytes) -> None:
    [problem] = problems_with(body)

    assert (problem.pointer, problem.found, problem.allowed) == ("", body.decode(), "an object")


def test_no_more_problems_are_named_than_a_person_reads() -> None:
    body = json.dumps({**REQUEST, **{f"unknown_{number}": 0 for number in range(1000)}}).encode()

    assert len(problems_with(body)) == MAXIMUM_PROBLEMS


@given(st.lists(st.text() | st.integers(0), max_size=6).map(tuple))
def test_a_pointer_leads_back_to_its_place(location: tuple[int | str, ...]) -> None:
    pointer = pointer_of(location)

    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    assert len(pointer) > 190 or parts == [str(part) for part in location]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_what_was_found_is_json_or_the_start_of_it(value: Any) -> None:
    shown = shorten_json(value)

    whole = json.dumps(value, ensure_ascii=False)
    assert len(shown) <= MAXIMUM_FOUND_CHARACTERS
    assert shown == whole or (shown.endswith("…") and whole.startswith(shown[:-1]))


def test_a_large_value_is_not_written_out_to_be_shortened() -> None:
    class Endless(list[int]):
        def __iter__(self) -> Any:
            yield from range(1000)
            raise AssertionError("read to its end")

    assert shorten_json(Endless([1])).startswith("[0, 1, 2")
