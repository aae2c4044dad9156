"""Folding: rows and columns give the same numbers, and whatever is wrong with a row is counted and raises nothing."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from model_packages.contract import Monitor, MonitoredField
from model_packages.profile.baseline import Baseline
from model_packages.profile.fold import CHUNK, fold, fold_columns
from model_packages.profile.tally import FAULTS, Tally
from model_packages.profile.values import Encoded
from tests.model_packages.profile.samples import captured, flowers, requests

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)


def faults(tally: Tally, baseline: Baseline, name: str) -> dict[str, int]:
    """What is wrong with one request field."""
    [place] = [place for place, field in enumerate(baseline.fields) if field.key == f"request.{name}"]
    return {kind: count for kind in FAULTS if (count := int(getattr(tally, kind)[place]))}


def cells(tally: Tally, baseline: Baseline, key: str) -> list[int]:
    [place] = [place for place, column in enumerate(baseline.columns) if column.key == key]
    found: list[int] = tally.cells[baseline.cells_of(place)].tolist()
    return found


def one(**values: Any) -> list[dict[str, Any]]:
    """A row with some other values."""
    return [{"request": {**requests(1, seed=3)[0], **values}, "response": None}]


def same(first: Tally, second: Tally) -> bool:
    pairs = zip(first.arrays().items(), second.arrays().items(), strict=True)
    return first.baseline == second.baseline and all(
        name == other and np.array_equal(left, right) for (name, left), (other, right) in pairs
    )


def as_columns(rows: Sequence[Mapping[str, Any]], side: str) -> dict[str, Any]:
    """The rows as a Parquet reader gives them."""
    fields = [field for field in flowers().fields if field.side == side]
    parts = [row[side] or {} for row in rows]
    columns: dict[str, Any] = {}
    for field in fields:
        values = [part.get(field.name, field.default) for part in parts]
        columns[field.name] = np.empty(len(values), dtype=object)
        columns[field.name][:] = values
        if field.kind == "numeric":
            columns[field.name] = np.array(values, dtype=np.float64)
        if field.kind == "category":
            dictionary = sorted({value for value in values if value is not None})
            codes = [-1 if value is None else dictionary.index(value) for value in values]
            columns[field.name] = Encoded(np.array(codes, dtype=np.int8), dictionary)
    return columns


def test_rows_and_columns_give_the_same_numbers() -> None:
    rows = captured(500, seed=2)
    blocks = [place // 50 for place in range(500)]
    answered = np.array([row["response"] is not None for row in rows])

    by_row = fold(flowers(), rows, block_keys=blocks, row_keys=range(500))
    by_column = fold_columns(
        flowers(),
        request=as_columns(rows, "request"),
        response=as_columns(rows, "response"),
        answered=answered,
        block_keys=np.array(blocks),
        row_keys=np.arange(500, dtype=np.uint64),
    )

    assert by_row.rows == 500
    assert by_row.responses == int(answered.sum())
    assert same(by_row, by_column)


def test_dense_tensors_are_counted_as_nested_lists_are() -> None:
    rows = captured(60, seed=2)
    columns = as_columns(rows, "request")
    dense = columns | {name: np.array(columns[name].tolist()) for name in ("spectrum", "picture")}

    assert same(fold_columns(flowers(), request=columns), fold_columns(flowers(), request=dense))


def test_a_field_without_a_column_is_its_default() -> None:
    rows = [{"request": {k: v for k, v in row.items() if k not in ("petals", "age")}} for row in requests(50, seed=4)]
    columns = as_columns([{**row, "response": None} for row in rows], "request")
    del columns["petals"], columns["age"]

    tally = fold_columns(flowers(), request=columns)

    assert same(tally, fold(flowers(), rows))
    assert faults(tally, flowers(), "age") == {"missing": 50}
    assert faults(tally, flowers(), "petals") == {}


def test_every_row_with_a_value_of_the_right_type_is_in_one_cell_of_each_column() -> None:
    tally = fold(flowers(), captured(300, seed=5))

    for place, column in enumerate(flowers().columns):
        at = flowers().place_of(flowers().field_of(column))
        lost = sum(int(getattr(tally, kind)[at]) for kind in ("missing", "wrong_type", "unread"))
        assert tally.cells[flowers().cells_of(place)].sum() == tally.rows_of(column.side) - lost


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        ("height", None, {"missing": 1}),
        ("height", float("nan"), {"missing": 1}),
        ("height", "12", {"wrong_type": 1}),
        ("height", True, {"wrong_type": 1}),
        ("height", [1.0], {"wrong_type": 1}),
        ("height", float("inf"), {"wrong_type": 1}),
        ("height", 10**400, {"wrong_type": 1}),
        ("height", 1000.5, {"out_of_range": 1}),
        ("height", -0.5, {"out_of_range": 1}),
        ("height", 12, {}),
        ("petals", 3.5, {"wrong_type": 1}),
        ("petals", 4.0, {}),
        ("petals", -1, {"out_of_range": 1}),
        ("colour", "black", {"unknown": 1}),
        ("colour", 3, {"wrong_type": 1}),
        ("colour", ["red"], {"wrong_type": 1}),
        ("colour", None, {"missing": 1}),
        ("wild", 1, {"wrong_type": 1}),
        ("wild", "true", {"wrong_type": 1}),
        ("wild", None, {"missing": 1}),
        ("note", 5, {"wrong_type": 1}),
        ("note", None, {"missing": 1}),
        ("note", "", {}),
        ("note", "\ud800", {}),
        ("spectrum", [1.0, 2.0], {"wrong_type": 1}),
        ("spectrum", [[1.0, 2.0, 3.0]], {"wrong_type": 1}),
        ("spectrum", ["a", "b", "c"], {"wrong_type": 1}),
        ("spectrum", [1.0, None, 2.0], {"wrong_type": 1}),
        ("spectrum", [1.0, [2.0], 3.0], {"wrong_type": 1}),
        ("spectrum", "123", {"wrong_type": 1}),
        ("spectrum", 7, {"wrong_type": 1}),
        ("spectrum", None, {"missing": 1}),
        ("picture", [[2.0] * 6] * 4, {"out_of_range": 1}),
        ("picture", "no PNG", {"wrong_type": 1}),
    ],
)
def test_what_is_wrong_with_a_value_is_counted(field: str, value: Any, found: dict[str, int]) -> None:
    tally = fold(flowers(), one(**{field: value}))

    assert faults(tally, flowers(), field) == found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(sorted(requests(1, seed=1)[0])), JSON_VALUES), max_size=6))
def test_nothing_in_a_row_raises_and_no_row_is_lost(rows: list[dict[str, Any]]) -> None:
    tally = fold(flowers(), [{"request": row, "response": row} for row in rows])

    for place, column in enumerate(flowers().columns):
        at = flowers().place_of(flowers().field_of(column))
        lost = sum(int(getattr(tally, kind)[at]) for kind in ("missing", "wrong_type", "unread"))
        assert tally.cells[flowers().cells_of(place)].sum() + lost == len(rows)


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.array([True, False]), {"wrong_type": 2}),
        (np.array(["1", "2"]), {"wrong_type": 2}),
        (np.array([1, 2], dtype=np.int32), {}),
        (np.array([1, 2], dtype=np.uint8), {}),
        (np.array([1.0, np.nan], dtype=np.float32), {"missing": 1}),
        (np.array([[1.0], [2.0]]), {"wrong_type": 2}),
        (np.array([None, 3], dtype=object), {"missing": 1}),
        (Encoded(np.array([0, -1]), [4.0]), {"missing": 1}),
        (Encoded(np.array([1, 0]), ["x", 2]), {"wrong_type": 1}),
    ],
)
def test_arrays_of_any_type_are_taken(array: Any, found: dict[str, int]) -> None:
    tally = fold_columns(flowers(), request={"height": array})

    assert faults(tally, flowers(), "height") == found


@pytest.mark.parametrize("values", [np.full(3, np.nan), np.array([1, 2, 3])])
def test_a_column_of_numbers_is_no_column_of_categories(values: NDArray[Any]) -> None:
    tally = fold_columns(flowers(), request={"colour": values, "wild": values})

    expected = {"missing": 3} if values.dtype.kind == "f" else {"wrong_type": 3}
    assert faults(tally, flowers(), "colour") == faults(tally, flowers(), "wild") == expected


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"found columns of \[2, 3\] rows"):
        fold_columns(flowers(), request={"height": np.zeros(2), "age": np.zeros(3)})


def test_a_png_is_counted_as_the_numbers_that_it_stands_for() -> None:
    samples = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
    content = io.BytesIO()
    Image.fromarray(samples).save(content, format="PNG")

    png = fold(flowers(), one(picture=base64.b64encode(content.getvalue()).decode()))
    numbers = fold(flowers(), one(picture=(samples / 255.0).tolist()))

    assert faults(png, flowers(), "picture") == {}
    assert cells(png, flowers(), "request.picture.mean") == cells(numbers, flowers(), "request.picture.mean")
    assert np.allclose(png.samples["request.picture"].vectors, numbers.samples["request.picture"].vectors)


def test_blocks_add_up_to_the_whole() -> None:
    rows = captured(400, seed=6)
    keys = [place % 11 + 4096 * (place % 3) - 4096 for place in range(400)]

    tally = fold(flowers(), rows, block_keys=keys)

    assert tally.blocks.keys.tolist() == list(range(11))
    assert tally.blocks.cells.dtype == np.int32
    assert np.array_equal(tally.blocks.cells.sum(axis=0), tally.cells)
    assert tally.blocks.rows.sum(axis=0).tolist() == [tally.rows, tally.responses]
    assert np.array_equal(tally.cells, fold(flowers(), rows).cells)


def test_chunks_do_not_show() -> None:
    values = np.random.default_rng(0).lognormal(3, 1, size=2 * CHUNK + 5)

    tally = fold_columns(flowers(), request={"height": values})

    [edges] = [column.edges for column in flowers().columns if column.key == "request.height"]
    assert cells(tally, flowers(), "request.height") == [
        *np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
    ]


def test_folding_needs_numpy_alone() -> None:
    """Spark's machines have neither pydantic nor torch."""
    code = (
        "import sys; sys.modules.update(pydantic=None, torch=None, PIL=None)\n"
        "from model_packages.profile import baseline, documents, fold, tally\n"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True).stderr == ""


def test_an_override_decides_what_is_out_of_range_and_unknown() -> None:
    fields = {"height": MonitoredField(maximum=10.0), "colour": MonitoredField(categories=("red", "blue"))}
    baseline = flowers().overridden(Monitor(fields=fields))

    tally = fold(baseline, [*one(height=11.0, colour="green"), *one(height=9.0, colour="red")])

    assert faults(tally, baseline, "height") == {"out_of_range": 1}
    assert faults(tally, baseline, "colour") == {"unknown": 1}
    assert tally.baseline == flowers().identity
