"""Requests become rows: what each kind of field turns into, and how a wrong one is refused."""

from __future__ import annotations

import base64
import io
import math
import struct
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from container.tensors import Row, Tensoriser, Unfit, row_of, stack, without_default
from model_packages.errors import InvalidRequest
from model_packages.fields import FieldSpec, Kind

NUMBER = FieldSpec(name="length", kind=Kind.NUMERIC, dtype="float32")
INTEGER = FieldSpec(name="count", kind=Kind.INTEGER, dtype="int64")
BOOLEAN = FieldSpec(name="ripe", kind=Kind.BOOLEAN, dtype="bool")
CATEGORY = FieldSpec(name="colour", kind=Kind.CATEGORY, dtype="int64", categories=("green", "red"))
TENSOR = FieldSpec(name="spectrum", kind=Kind.TENSOR, dtype="float32", shape=(2, 2))
BYTES = FieldSpec(name="bytes", kind=Kind.TENSOR, dtype="uint8", shape=(2,))
PHOTO = FieldSpec(name="photo", kind=Kind.IMAGE, dtype="float32", shape=(2, 3), minimum=0.0, maximum=1.0)
TEXT = FieldSpec(name="text", kind=Kind.TEXT, dtype=None)


def nullable(field: FieldSpec) -> FieldSpec:
    return FieldSpec(name=field.name, kind=field.kind, dtype=field.dtype, categories=field.categories, nullable=True)


def row(request: dict[str, Any], *fields: FieldSpec, **defaults: Any) -> Row:
    return Tensoriser(fields, defaults=defaults).row(request)


def png(samples: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    content = io.BytesIO()
    Image.fromarray(samples).save(content, format="PNG")
    return base64.b64encode(content.getvalue()).decode()


def test_each_kind_has_its_dtype_and_shape() -> None:
    request = {"length": 1.5, "count": 3, "ripe": True, "colour": "red", "spectrum": [[1, 2], [3, 4]]}

    blocks = stack([row(request, NUMBER, INTEGER, BOOLEAN, CATEGORY, TENSOR)] * 5)

    found = {block.names: (block.array.dtype.name, block.array.shape) for block in blocks}
    assert found == {
        ("length",): ("float32", (1, 5)),
        ("count", "colour"): ("int64", (2, 5)),
        ("ripe",): ("bool", (1, 5)),
        ("spectrum",): ("float32", (5, 2, 2)),
    }


def test_a_category_is_its_index() -> None:
    assert row({"colour": "red"}, CATEGORY).values == {"colour": 1}


@pytest.mark.parametrize("absent", [{}, {"length": None, "count": None, "ripe": None}])
def test_a_missing_number_is_nan_and_float32(absent: dict[str, None]) -> None:
    fields = (nullable(NUMBER), nullable(INTEGER), nullable(BOOLEAN))

    [block] = stack([row(absent, *fields, length=None, count=None, ripe=None)])

    assert block.array.dtype == np.float32
    assert np.isnan(block.array).all()


def test_a_missing_category_is_minus_one() -> None:
    assert row({"colour": None}, nullable(CATEGORY)).values == {"colour": -1}


def test_a_field_that_is_left_out_takes_its_default() -> None:
    assert row({}, NUMBER, length=2.5).values == {"length": 2.5}


def test_a_png_is_scaled_onto_the_range_of_its_field() -> None:
    samples = np.array([[0, 51, 102], [153, 204, 255]], dtype=np.uint8)

    image = row({"photo": png(samples)}, PHOTO).values["photo"]

    np.testing.assert_allclose(image, samples / 255.0, atol=1e-6)
    assert image.dtype == np.float32


def test_an_image_as_nested_numbers_is_taken_as_it_is() -> None:
    image = row({"photo": [[0, 0.5, 1], [1, 0.5, 0]]}, PHOTO).values["photo"]

    np.testing.assert_array_equal(image, np.array([[0, 0.5, 1], [1, 0.5, 0]], dtype=np.float32))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (NUMBER, "1"),
        (NUMBER, True),
        (NUMBER, None),
        (NUMBER, 1e39),
        (INTEGER, 1.0),
        (INTEGER, 2**63),
        (BOOLEAN, 1),
        (CATEGORY, "blue"),
        (CATEGORY, ["red"]),
        (TENSOR, [[1, 2], [3]]),
        (TENSOR, [1, 2]),
        (TENSOR, [["1", "2"], ["3", "4"]]),
        (TENSOR, [[None, 1], [2, 3]]),
        (TENSOR, [[1e39, 1], [2, 3]]),
        (TENSOR, {}),
        (BYTES, [0, 256]),
        (BYTES, [-1, 0]),
        (BYTES, [0.5, 1]),
        (PHOTO, "not base64!"),
        (PHOTO, "é"),
        (PHOTO, base64.b64encode(b"no png").decode()),
        (PHOTO, png(np.zeros((3, 2), dtype=np.uint8))),
        (PHOTO, png(np.zeros((2, 3, 3), dtype=np.uint8))),
        (PHOTO, png(np.zeros((2, 3), dtype=np.uint8))[:60]),
        (TEXT, 1),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(field: FieldSpec, value: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        row({field.name: value}, field)

    assert [problem.pointer for problem in refused.value.problems] == [f"/{field.name}"]


def test_a_tensor_of_numbers_takes_integers_of_any_size() -> None:
    huge = 2**64 - 1

    values = row({"spectrum": [[huge, huge], [huge, huge]]}, TENSOR).values["spectrum"]

    assert values.tolist() == [[2.0**64] * 2] * 2


def broken_png(*chunks: tuple[bytes, bytes]) -> str:
    """A PNG with the right header, and after it only these chunks (type, content)."""
    whole = base64.b64decode(png(np.zeros((2, 3), dtype=np.uint8)))
    return base64.b64encode(whole[:33] + b"".join(map(chunk, chunks))).decode()


def chunk(named: tuple[bytes, bytes]) -> bytes:
    name, content = named
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


SAMPLES = (b"IDAT", zlib.compress(bytes(8)))
END = (b"IEND", b"")
LARGE, PALETTE = (struct.pack(">IIBBBBB", *size, 0, 0, 0) for size in ((60_000, 60_000, 8, 0), (3, 2, 8, 3)))


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [END],
        [(b"IDAT", b"no deflated data"), END],
        [(b"IDAT", zlib.compress(bytes(3))), END],
        [(b"IDAT", zlib.compress(b"\x09" * 8)), END],
        [(b"gAMA", b""), SAMPLES, END],
        [(b"acTL", b"1"), SAMPLES, END],
        [(b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000_000))), SAMPLES, END],
        [(b"IHDR", LARGE), SAMPLES, END],
        [(b"IHDR", PALETTE), SAMPLES, END],
    ],
)
def test_a_png_that_cannot_be_decoded_is_told_from_one_of_the_wrong_size(chunks: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        row({"photo": broken_png(*chunks)}, PHOTO)

    [problem] = refused.value.problems
    assert (problem.pointer, problem.code) == ("/photo", "image_unreadable")


@given(position=st.integers(33, 90), value=st.integers(0, 255))
def test_no_damage_to_a_png_is_more_than_a_bad_field(position: int, value: int) -> None:
    damaged = bytearray(base64.b64decode(broken_png((b"pHYs", bytes(9)), (b"tRNS", bytes(2)), SAMPLES, END)))
    damaged[position] = value

    with suppress(InvalidRequest):
        row({"photo": base64.b64encode(damaged).decode()}, PHOTO)


def test_every_bad_field_is_named_at_once() -> None:
    with pytest.raises(InvalidRequest) as refused:
        row({"length": "1", "count": 2, "taste": "sweet"}, NUMBER, INTEGER, BOOLEAN)

    assert {problem.pointer for problem in refused.value.problems} == {"/length", "/ripe", "/taste"}


def test_text_and_tensors_that_may_be_missing_have_no_default_conversion() -> None:
    may_be_missing = FieldSpec(name="mask", kind=Kind.TENSOR, dtype="float32", shape=(2,), nullable=True)

    names = [field.name for field in without_default([NUMBER, TEXT, may_be_missing, nullable(NUMBER)])]

    assert names == ["text", "mask"]


def test_what_an_input_fn_returns_becomes_float32_and_int64() -> None:
    found = row_of({"share": 0.5, "codes": [1, 2], "pixels": np.zeros((2, 2), dtype=np.uint8)})

    assert found.signature == (("share", (), "float32"), ("codes", (2,), "int64"), ("pixels", (2, 2), "uint8"))
    assert found.size_bytes == 4 + 16 + 4


@pytest.mark.parametrize("value", ["text", [[1], [2, 3]], {"a": 1}, None])
def test_what_an_input_fn_returns_is_made_of_numbers(value: Any) -> None:
    with pytest.raises(Unfit, match="allowed"):
        row_of({"x": value})


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_stacking_keeps_every_number_in_its_row(numbers: list[float]) -> None:
    tensoriser = Tensoriser([NUMBER, INTEGER], defaults={})

    blocks = stack([tensoriser.row({"length": x, "count": i}) for i, x in enumerate(numbers)])

    columns = {name: list(block.array[index]) for block in blocks for index, name in enumerate(block.names)}
    assert all(math.isclose(a, b) for a, b in zip(columns["length"], numbers, strict=True))
    assert columns["count"] == list(range(len(numbers)))
