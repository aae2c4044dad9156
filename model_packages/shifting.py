"""Changes one field of requests on purpose, by what the schema says of it: for trying out drift monitoring.

A number gets `size` standard deviations added, the pixels of an image and the numbers of a tensor too. Of a category,
a flag and a text `size` is the share of the requests in which it becomes the last category, true, or gets a prefix.
With `missing` it is the share that loses the field. What comes out still keeps to the schema's bounds. Images that are
PNGs are not decoded.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from model_packages.errors import OperatorError
from model_packages.fields import FieldSpec, Kind

PREFIX: Final = "NEW*"
SCATTERED: Final = frozenset({Kind.NUMERIC, Kind.INTEGER, Kind.TENSOR, Kind.IMAGE})
"""Kinds whose size counts standard deviations."""

Value = Any
Change = Callable[[Value, float], Value]
"""(value, a number drawn uniformly from [0, 1)) -> the changed value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Which field is measured differently, and by how much; without `size` it is 1 deviation, or half of the rows."""

    field: str
    size: float | None = None
    missing: bool = False


def shifted(
    requests: Sequence[Mapping[str, Any]], shift: Shift, *, fields: Sequence[FieldSpec], seed: int, first: int
) -> list[Mapping[str, Any]]:
    """The requests, changed from number `first` on; deviations are those of the requests before they are changed.

    Raises: OperatorError if there is no such field, or the size is none that it can have.
    """
    field = field_named(shift.field, fields)
    change = _change(field, shift, [request.get(field.name) for request in requests])
    draw = random.Random(f"shift {seed}")  # noqa: S311 - a simulation: repeatable on purpose
    return [
        _changed(request, field.name, change, draw.random()) if number >= first else request
        for number, request in enumerate(requests)
    ]


def size_of(shift: Shift, field: FieldSpec) -> float:
    """What was asked for, or 1 deviation, or half of the requests."""
    if shift.size is not None:
        return shift.size
    return 1.0 if field.kind in SCATTERED and not shift.missing else 0.5


def field_named(name: str, fields: Sequence[FieldSpec]) -> FieldSpec:
    """Raises: OperatorError if there is none of that name."""
    found = {field.name: field for field in fields}
    if name not in found:
        raise OperatorError(f"no field is called {name!r}; allowed: {', '.join(found)}")
    return found[name]


def _changed(request: Mapping[str, Any], name: str, change: Change, chance: float) -> Mapping[str, Any]:
    value = request.get(name)
    return request if value is None else {**request, name: change(value, chance)}


def _change(field: FieldSpec, shift: Shift, values: Sequence[Value]) -> Change:
    size = size_of(shift, field)
    if field.kind in SCATTERED and not shift.missing:
        return _moved(field, size * _deviation(values, field))
    if not 0.0 <= size <= 1.0:
        raise OperatorError(f"size is {size}; allowed for a share of the requests: 0 to 1")
    if shift.missing and not field.nullable:
        raise OperatorError(f"{field.name} may not be missing; allowed: a field of Request that may be null")
    return lambda value, chance: _replacement(field, value, missing=shift.missing) if chance < size else value


def _moved(field: FieldSpec, distance: float) -> Change:
    low = -math.inf if field.minimum is None else field.minimum
    high = math.inf if field.maximum is None else field.maximum
    is_whole = field.kind is Kind.INTEGER or field.dtype in ("int64", "uint8")

    def move(number: float) -> float:
        moved = min(high, max(low, number + distance))
        return round(moved) if is_whole else moved

    def change(value: Value, _chance: float) -> Value:
        return _mapped(value, move)

    return change


def _mapped(value: Value, move: Callable[[float], float]) -> Value:
    return [_mapped(item, move) for item in value] if isinstance(value, list) else move(value)


def _replacement(field: FieldSpec, value: Value, *, missing: bool) -> Value:
    if missing:
        return None
    if field.kind is Kind.TEXT:
        return f"{PREFIX}{value}"[: field.maximum_length]
    return field.categories[-1] if field.kind is Kind.CATEGORY else True


def _deviation(values: Sequence[Value], field: FieldSpec) -> float:
    numbers = [number for value in values if value is not None for number in _numbers(value, field)]
    return statistics.pstdev(numbers) if numbers else 0.0


def _numbers(value: Value, field: FieldSpec) -> Iterator[float]:
    if isinstance(value, str):
        raise OperatorError(f"{field.name} is a PNG in some of the data; allowed: images as nested lists of numbers")
    if isinstance(value, list):
        for item in value:
            yield from _numbers(item, field)
    else:
        yield float(value)
