"""One field's values as arrays, whatever they came as: a list of JSON's values, a NumPy array, or dictionary codes.

What is missing and what is of a wrong type is counted on the way, and never raises.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
UNSEEN, MISSING, WRONG = 0, 1, 2
"""Codes after a column's categories: of any other string, of no value, and of a value that is no category at all."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A column as codes into a dictionary, as Parquet and Arrow keep categories; a negative code is missing."""

    codes: Array
    dictionary: Sequence[Any]


Values = Array | Encoded | Sequence[Any]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers of some rows, float64 [n]; `present` [n] says which rows have one, and is None where all have."""

    array: NDArray[np.float64]
    present: NDArray[np.bool_] | None
    missing: int
    wrong_type: int


def repeated(value: Any, count: int) -> Values:
    """One value in every row."""
    return Encoded(np.zeros(count, dtype=np.int32), [value])


def part(values: Values, start: int, end: int) -> Values:
    """Rows `start` to `end`, without copying an array."""
    if isinstance(values, Encoded):
        return Encoded(values.codes[start:end], values.dictionary)
    return values[start:end]


def selected(values: Values, rows: NDArray[np.bool_]) -> Values:
    """The rows where `rows` [n] is true."""
    if isinstance(values, Encoded):
        return Encoded(values.codes[rows], values.dictionary)
    if isinstance(values, np.ndarray):
        return values[rows]
    return [value for value, is_selected in zip(values, rows.tolist(), strict=True) if is_selected]


def count(values: Values) -> int:
    """How many rows there are."""
    return len(values.codes) if isinstance(values, Encoded) else len(values)


def listed(values: Values) -> list[Any]:
    """The rows as Python's own values."""
    if isinstance(values, Encoded):
        return [values.dictionary[code] if code >= 0 else None for code in values.codes.tolist()]
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def is_missing(value: Any) -> bool:
    """Whether a value is none: null, or NaN, which is how some readers of columns say it."""
    return value is None or (isinstance(value, float) and bool(np.isnan(value)))


def numbers(values: Values, *, whole: bool) -> Numbers:
    """Numeric values: finite ones, and integers only where `whole`. A boolean is no number; NaN is missing."""
    if isinstance(values, Encoded):
        array, wrong = _from_codes(values)
    elif not isinstance(values, np.ndarray) or values.dtype == object:
        array, wrong = _from_list(listed(values))
    elif values.dtype.kind in "iuf" and values.ndim == 1:
        array, wrong = values.astype(np.float64, copy=False), 0
    else:
        array, wrong = np.full(len(values), np.nan), len(values)
    missing = int(np.count_nonzero(np.isnan(array))) - wrong
    if not _is_plain(array, whole=whole, is_integer=isinstance(values, np.ndarray) and values.dtype.kind in "iu"):
        unfit = np.isinf(array) | ((array != np.rint(array)) & ~np.isnan(array) if whole else False)
        array, wrong = np.where(unfit, np.nan, array), wrong + int(np.count_nonzero(unfit))
    if missing + wrong == 0:
        return Numbers(array, None, 0, 0)
    present = ~np.isnan(array)
    return Numbers(array[present], present, missing, wrong)


def _is_plain(array: NDArray[np.float64], *, whole: bool, is_integer: bool) -> bool:
    """Whether no value can be infinite, or broken where it has to be whole: the usual case, told at little cost."""
    if is_integer or not len(array):
        return True
    low, high = np.fmin.reduce(array), np.fmax.reduce(array)
    if low == -np.inf or high == np.inf:
        return False
    return not whole or bool(np.all((array == np.rint(array)) | np.isnan(array)))


def _from_list(values: list[Any]) -> tuple[NDArray[np.float64], int]:
    """The numbers with NaN for all else, and how many of those are no number and not missing."""
    if set(map(type, values)) <= {float, int, type(None)}:
        try:
            return np.array(values, dtype=np.float64), 0
        except OverflowError:
            pass  # an integer that no float holds: found below, one by one
    found = [_number(value) for value in values]
    wrong = sum(number is None for number in found)
    return np.array([np.nan if number is None else number for number in found], dtype=np.float64), wrong


def _from_codes(values: Encoded) -> tuple[NDArray[np.float64], int]:
    if len(values.dictionary) > len(values.codes):
        return _from_list(listed(values))
    found = [_number(value) for value in values.dictionary]
    is_wrong = np.array([*(number is None for number in found), False])
    array = np.array([*(np.nan if number is None else number for number in found), np.nan], dtype=np.float64)
    codes = np.maximum(values.codes, -1)
    return array[codes], int(np.count_nonzero(is_wrong[codes]))


def _number(value: Any) -> float | None:
    """A value as a number; NaN for none, and None for what is no number."""
    if value is None:
        return np.nan
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


class CategoryCodes(dict[Any, int]):
    """A column's categories and what is none of them as codes; a string that is unknown is not remembered."""

    def __init__(self, categories: Sequence[str]) -> None:
        super().__init__({category: code for code, category in enumerate(categories)})
        self.unseen, self.missing, self.wrong = (len(categories) + code for code in (UNSEEN, MISSING, WRONG))
        self[None] = self.missing

    def __missing__(self, value: Any) -> int:
        if isinstance(value, str):
            return self.unseen
        return self.missing if is_missing(value) else self.wrong


def category_codes(values: Values, codes: CategoryCodes) -> NDArray[np.intp]:
    """Each row's category as a code: its place in the categories, then `unseen`, `missing` and `wrong`."""
    if isinstance(values, Encoded) and len(values.dictionary) <= len(values.codes):
        dictionary = category_codes(list(values.dictionary), codes)
        return np.append(dictionary, codes.missing)[np.maximum(values.codes, -1)]
    if isinstance(values, np.ndarray) and values.dtype.kind not in "OUT":
        return _codes_of_no_strings(values, codes)
    rows = listed(values)
    try:
        return np.fromiter(map(codes.__getitem__, rows), dtype=np.intp, count=len(rows))
    except TypeError:  # a list or an object in place of a string: it has no hash
        return np.array([codes[row] if isinstance(row, Hashable) else codes.wrong for row in rows], dtype=np.intp)


def boolean_codes(values: Values, codes: CategoryCodes) -> NDArray[np.intp]:
    """Each row's boolean as the code of "false" or "true"; 0 and 1 are of a wrong type."""
    if isinstance(values, np.ndarray) and values.dtype == np.bool_ and values.ndim == 1:
        return values.astype(np.intp)
    if isinstance(values, np.ndarray) and values.dtype != object:
        return _codes_of_no_strings(values, codes)
    return np.array([_boolean_code(row, codes) for row in listed(values)], dtype=np.intp)


def _boolean_code(value: Any, codes: CategoryCodes) -> int:
    if isinstance(value, bool | np.bool_):
        return int(value)
    return codes.missing if is_missing(value) else codes.wrong


def _codes_of_no_strings(values: Array, codes: CategoryCodes) -> NDArray[np.intp]:
    """An array of numbers, where NaN is how a column of nothing but missing values comes."""
    found = np.full(len(values), codes.wrong, dtype=np.intp)
    if values.dtype.kind == "f" and values.ndim == 1:
        found[np.isnan(values)] = codes.missing
    return found


def defaulted(rows: Sequence[Mapping[str, Any]], name: str, default: Any) -> list[Any]:
    """One field of every row; what is absent becomes the schema's default."""
    return [row.get(name, default) for row in rows]
