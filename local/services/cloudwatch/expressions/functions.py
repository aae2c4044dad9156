"""Metric math's functions and operators, by name."""

from __future__ import annotations

import math
import operator
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, TypeAlias

from local.services.cloudwatch.errors import ValidationFailed
from local.services.cloudwatch.expressions.values import Grid, Many, Series, Value, elementwise, series_in


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a function may look at beside its arguments. `metrics` are the series of queries that are no expressions."""

    grid: Grid
    metrics: Mapping[str, Series]


Function: TypeAlias = Callable[[Surroundings, Sequence[Value]], Value]

REFUSED: Final = frozenset(
    {"ANOMALY_DETECTION_BAND", "DB_PERF_INSIGHTS", "INSIGHT_RULE_METRIC", "LAMBDA", "SERVICE_QUOTA"}
)


def _truth(function: Callable[[float, float], bool]) -> Callable[[float, float], float]:
    return lambda left, right: 1.0 if function(left, right) else 0.0


def _divide(left: float, right: float) -> float | None:
    return left / right if right else None


def _power(left: float, right: float) -> float | None:
    try:
        result = left**right
    except (OverflowError, ZeroDivisionError):
        return None
    return result if isinstance(result, float) and math.isfinite(result) else None


OPERATORS: Final[Mapping[str, Callable[[float, float], float | None]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "^": _power,
    "==": _truth(operator.eq),
    "!=": _truth(operator.ne),
    "<": _truth(operator.lt),
    ">": _truth(operator.gt),
    "<=": _truth(operator.le),
    ">=": _truth(operator.ge),
    "&&": _truth(lambda left, right: bool(left and right)),
    "||": _truth(lambda left, right: bool(left or right)),
}


def apply(name: str, arguments: Sequence[Value], around: Surroundings) -> Value:
    """The value of a function or operator.

    Raises: ValidationFailed.
    """
    if name in OPERATORS:
        return elementwise(OPERATORS[name], *arguments)
    return FUNCTIONS[name](around, arguments)


def _one(arguments: Sequence[Value], name: str) -> Value:
    if len(arguments) != 1:
        raise ValidationFailed(f"{name} takes 1 argument; found {len(arguments)}")
    return arguments[0]


def _each(name: str, function: Callable[[float], float | None]) -> Function:
    """A function of one number, on each point."""

    def apply_each(_around: Surroundings, arguments: Sequence[Value]) -> Value:
        return elementwise(function, _one(arguments, name))

    return apply_each


def _over_time(name: str, function: Callable[[Series], Series]) -> Function:
    """A function of a whole series, on each series."""

    def apply_over_time(_around: Surroundings, arguments: Sequence[Value]) -> Value:
        value = _one(arguments, name)
        results = tuple(function(series) for series in series_in(value))
        return results[0] if isinstance(value, Series) else results

    return apply_over_time


def _aggregate(name: str, function: Callable[[Sequence[float]], float]) -> Function:
    """Of a series the number over all its points; of an array the series over all its members."""

    def aggregate(_around: Surroundings, arguments: Sequence[Value]) -> Value:
        value = _one(arguments, name)
        if isinstance(value, Series):
            return function(list(value.points.values())) if value.points else math.nan
        members = series_in(value)
        together: dict[float, list[float]] = {}
        for series in members:
            for start, point in series.points.items():
                together.setdefault(start, []).append(point)
        points = {start: function(found) for start, found in sorted(together.items())}
        return Series(points, label=name, period=members[0].period if members else 0)

    return aggregate


def _deviation(values: Sequence[float]) -> float:
    return statistics.pstdev(values)


def _pairs(series: Series) -> Iterable[tuple[float, float, float, float]]:
    """Each point after the first, with the one before it."""
    ordered = sorted(series.points.items())
    for (start, value), (next_start, next_value) in pairwise(ordered):
        yield start, value, next_start, next_value


def _diff(series: Series) -> Series:
    return replace(series, points={later: after - before for _, before, later, after in _pairs(series)})


def _rate(series: Series) -> Series:
    points = {later: (after - before) / (later - earlier) for earlier, before, later, after in _pairs(series)}
    return replace(series, points=points)


def _diff_time(series: Series) -> Series:
    return replace(series, points={later: later - earlier for earlier, _, later, _ in _pairs(series)})


def _running_sum(series: Series) -> Series:
    total, points = 0.0, {}
    for start, value in sorted(series.points.items()):
        total += value
        points[start] = total
    return replace(series, points=points)


def _fill(around: Surroundings, arguments: Sequence[Value]) -> Value:
    if len(arguments) != 2:
        raise ValidationFailed(f"FILL takes 2 arguments; found {len(arguments)}")
    value, filling = arguments
    results = tuple(_filled(series, filling, around) for series in series_in(value))
    return results[0] if isinstance(value, Series) else results


def _filled(series: Series, filling: Value, around: Surroundings) -> Series:
    starts = around.grid.starts()
    if isinstance(filling, str):
        fill = {"REPEAT": _repeated, "LINEAR": _interpolated}.get(filling.upper())
        if fill is None:
            raise ValidationFailed(f"FILL takes a number, a series, REPEAT or LINEAR; found {filling}")
        return replace(series, points=fill(series, starts))
    if isinstance(filling, tuple):
        raise ValidationFailed("FILL takes a number, a series, REPEAT or LINEAR; found an array")
    other = filling.points if isinstance(filling, Series) else dict.fromkeys(starts, filling)
    points = {start: series.points.get(start, other.get(start)) for start in starts}
    return replace(series, points={start: value for start, value in points.items() if value is not None})


def _repeated(series: Series, starts: Sequence[float]) -> dict[float, float]:
    points, last = {}, None
    for start in starts:
        last = series.points.get(start, last)
        if last is not None:
            points[start] = last
    return points


def _interpolated(series: Series, starts: Sequence[float]) -> dict[float, float]:
    points = dict(series.points)
    for earlier, before, later, after in _pairs(series):
        for start in starts:
            if earlier < start < later:
                points[start] = before + (after - before) * (start - earlier) / (later - earlier)
    return {start: points[start] for start in starts if start in points}


def _if(_around: Surroundings, arguments: Sequence[Value]) -> Value:
    if len(arguments) not in (2, 3):
        raise ValidationFailed(f"IF takes 2 or 3 arguments; found {len(arguments)}")
    condition, then, *rest = arguments
    if isinstance(condition, float):
        return then if condition else (rest[0] if rest else Series())
    if not rest:
        return elementwise(lambda test, yes: yes if test else None, condition, then)
    return elementwise(lambda test, yes, no: yes if test else no, condition, then, rest[0])


def _metrics(around: Surroundings, arguments: Sequence[Value]) -> Value:
    part = arguments[0] if arguments else ""
    return tuple(series for name, series in around.metrics.items() if str(part) in name)


def _period(around: Surroundings, arguments: Sequence[Value]) -> Value:
    series = series_in(_one(arguments, "PERIOD"))
    return float(series[0].period if series and series[0].period else around.grid.period)


def _time_series(around: Surroundings, arguments: Sequence[Value]) -> Value:
    value = _one(arguments, "TIME_SERIES")
    if not isinstance(value, float):
        raise ValidationFailed("TIME_SERIES takes a number")
    return Series(dict.fromkeys(around.grid.starts(), value), period=around.grid.period)


def _end_of(name: str, index: int) -> Function:
    """The first or last member of an array."""

    def end_of(_around: Surroundings, arguments: Sequence[Value]) -> Value:
        members = series_in(_one(arguments, name))
        return members[index] if members else Series()

    return end_of


def _slice(_around: Surroundings, arguments: Sequence[Value]) -> Value:
    members, *ends = arguments
    return series_in(members)[slice(*(int(end) for end in ends if isinstance(end, float)))]


SORTED_BY: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "AVG": statistics.fmean,
    "MIN": min,
    "MAX": max,
    "SUM": math.fsum,
}


def _sort(_around: Surroundings, arguments: Sequence[Value]) -> Value:
    members, function, order, *limit = [*arguments, "DESC"] if len(arguments) == 2 else arguments
    measure = SORTED_BY.get(str(function).upper())
    if measure is None or str(order).upper() not in ("ASC", "DESC"):
        raise ValidationFailed(f"SORT takes one of {', '.join(SORTED_BY)}, then ASC or DESC; found {function}, {order}")
    some: list[Series] = [series for series in series_in(members) if series.points]
    some.sort(key=lambda series: measure(list(series.points.values())), reverse=str(order).upper() == "DESC")
    return tuple(some[: int(limit[0])] if limit and isinstance(limit[0], float) else some)


def _remove_empty(_around: Surroundings, arguments: Sequence[Value]) -> Value:
    return tuple(series for series in series_in(_one(arguments, "REMOVE_EMPTY")) if series.points)


def _count_of_metrics(_around: Surroundings, arguments: Sequence[Value]) -> Value:
    return float(len(series_in(_one(arguments, "METRIC_COUNT"))))


def _date_part(part: Callable[[datetime], float]) -> Function:
    def apply_part(around: Surroundings, arguments: Sequence[Value]) -> Value:
        series = series_in(_one(arguments, "a function of time"))
        points = {start: float(part(datetime.fromtimestamp(start, UTC))) for start in around.grid.starts()}
        return replace(series[0], points=points) if series else Series(points)

    return apply_part


def _logarithm(function: Callable[[float], float]) -> Callable[[float], float | None]:
    return lambda value: function(value) if value > 0 else None


FUNCTIONS: Final[Mapping[str, Function]] = {
    "ABS": _each("ABS", abs),
    "AVG": _aggregate("AVG", statistics.fmean),
    "CEIL": _each("CEIL", lambda value: float(math.ceil(value))),
    "DATAPOINT_COUNT": _aggregate("DATAPOINT_COUNT", lambda values: float(len(values))),
    "DAY": _date_part(lambda moment: moment.isoweekday()),
    "DIFF": _over_time("DIFF", _diff),
    "DIFF_TIME": _over_time("DIFF_TIME", _diff_time),
    "EPOCH": _date_part(lambda moment: moment.timestamp()),
    "FILL": _fill,
    "FIRST": _end_of("FIRST", 0),
    "FLOOR": _each("FLOOR", lambda value: float(math.floor(value))),
    "HOUR": _date_part(lambda moment: moment.hour),
    "IF": _if,
    "LAST": _end_of("LAST", -1),
    "LOG": _each("LOG", _logarithm(math.log)),
    "LOG10": _each("LOG10", _logarithm(math.log10)),
    "MAX": _aggregate("MAX", max),
    "METRIC_COUNT": _count_of_metrics,
    "METRICS": _metrics,
    "MIN": _aggregate("MIN", min),
    "MINUTE": _date_part(lambda moment: moment.minute),
    "MONTH": _date_part(lambda moment: moment.month),
    "PERIOD": _period,
    "RATE": _over_time("RATE", _rate),
    "REMOVE_EMPTY": _remove_empty,
    "RUNNING_SUM": _over_time("RUNNING_SUM", _running_sum),
    "SLICE": _slice,
    "SORT": _sort,
    "STDDEV": _aggregate("STDDEV", _deviation),
    "SUM": _aggregate("SUM", math.fsum),
    "TIME_SERIES": _time_series,
    "YEAR": _date_part(lambda moment: moment.year),
}
SEARCH: Final = "SEARCH"


def known(name: str) -> bool:
    """Whether there is a function or operator of that name."""
    return name in FUNCTIONS or name in OPERATORS or name == SEARCH


def members_of(value: Value) -> Many:
    """The series that a query's result is shown as; of a number there are none."""
    return series_in(value) if isinstance(value, Series | tuple) else ()
