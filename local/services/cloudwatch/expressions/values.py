"""What metric math computes with: numbers, series over one grid of periods, and arrays of series."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import TypeAlias

from local.services.cloudwatch.errors import ValidationFailed


@dataclass(frozen=True, slots=True)
class Grid:
    """The periods of a query: each begins `period` seconds after the one before, from `start` on, before `end`."""

    start: float
    end: float
    period: int

    def starts(self) -> list[float]:
        """Every period's beginning."""
        count = max(0, -int((self.start - self.end) // self.period))
        return [self.start + index * self.period for index in range(count)]


@dataclass(frozen=True, slots=True)
class Series:
    """Values by their period's beginning; what is missing is not in it. `label` is for whoever draws it."""

    points: Mapping[float, float] = field(default_factory=dict)
    label: str = ""
    period: int = 0

    def map(self, function: Callable[[float], float | None]) -> Series:
        """Each value changed; None drops it."""
        changed = {start: function(value) for start, value in self.points.items()}
        return replace(self, points={start: value for start, value in changed.items() if value is not None})


Many: TypeAlias = tuple[Series, ...]
Value: TypeAlias = float | Series | Many | str


def elementwise(function: Callable[..., float | None], *values: Value) -> Value:
    """A function of numbers applied to each point: a number goes with everything, two series meet where both have one.

    A series and an array meet member by member.
    """
    if any(isinstance(value, tuple) for value in values):
        return _of_arrays(function, values)
    if any(isinstance(value, str) for value in values):
        raise ValidationFailed("a text cannot be computed with")
    series = [value for value in values if isinstance(value, Series)]
    if not series:
        result = function(*values)
        return float("nan") if result is None else result
    return replace(series[0], points=_points(function, values, series))


def _points(function: Callable[..., float | None], values: Iterable[Value], series: list[Series]) -> dict[float, float]:
    first, *others = [each.points for each in series]
    starts = [start for start in first if all(start in other for other in others)] if others else list(first)
    columns = [map(each.points.__getitem__, starts) if isinstance(each, Series) else repeat(each) for each in values]
    results = zip(starts, map(function, *columns), strict=True)
    return {start: result for start, result in results if result is not None}


def _of_arrays(function: Callable[..., float | None], values: tuple[Value, ...]) -> Many:
    lengths = {len(value) for value in values if isinstance(value, tuple)}
    if len(lengths) > 1:
        raise ValidationFailed(f"arrays of {' and '.join(map(str, sorted(lengths)))} series cannot be combined")
    results = []
    for index in range(lengths.pop()):
        row = [value[index] if isinstance(value, tuple) else value for value in values]
        result = elementwise(function, *row)
        if isinstance(result, Series):
            results.append(result)
    return tuple(results)


def series_in(value: Value) -> Many:
    """The series of a series or an array.

    Raises: ValidationFailed for anything else.
    """
    if isinstance(value, Series):
        return (value,)
    if isinstance(value, tuple):
        return value
    raise ValidationFailed(f"a time series is expected; found {value!r}")
