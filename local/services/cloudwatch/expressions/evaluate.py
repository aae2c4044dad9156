"""A set of queries, as GetMetricData and alarms have them: metrics and expressions that refer to each other by id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Protocol

from local.services.cloudwatch.errors import Unsupported, ValidationFailed
from local.services.cloudwatch.expressions import grammar
from local.services.cloudwatch.expressions.functions import REFUSED, SEARCH, Surroundings, apply, known
from local.services.cloudwatch.expressions.labels import labelled
from local.services.cloudwatch.expressions.search import MOST_FOUND, search
from local.services.cloudwatch.expressions.values import Grid, Series, Value
from local.services.cloudwatch.metric import Metric
from local.services.cloudwatch.samples import Samples
from local.services.cloudwatch.statistics import needs_values, statistic

ID: Final = re.compile(r"[a-z][A-Za-z0-9_]{0,254}")
WORDS: Final = frozenset({"REPEAT", "LINEAR", "ASC", "DESC", "AVG", "MIN", "MAX", "SUM"})
"""Names in an expression that are no ids."""


class Source(Protocol):
    """Where samples come from."""

    def periods(
        self, metric: Metric, *, start: float, end: float, period: int, unit: str | None = None, values: bool = True
    ) -> Mapping[float, Samples]: ...

    def metrics(self, now: float) -> Iterator[Metric]: ...


@dataclass(frozen=True, slots=True)
class MetricStat:
    """A metric, its statistic, and over which period."""

    metric: Metric
    stat: str
    period: int
    unit: str | None = None

    def series(self, source: Source, grid: Grid, label: str) -> Series:
        """The statistic of each period."""
        own = replace(grid, period=self.period)
        measure = statistic(self.stat)
        found = source.periods(
            self.metric,
            start=own.start,
            end=own.end,
            period=own.period,
            unit=self.unit,
            values=needs_values(self.stat),
        )
        values = {start: measure(samples) for start, samples in found.items()}
        points = {start: float(value) for start, value in values.items() if value is not None}
        text = labelled(label, self.metric, points=points, stat=self.stat, period=self.period)
        return Series(points, text or self.metric.name, self.period)


@dataclass(frozen=True, slots=True)
class Query:
    """One MetricDataQuery."""

    id: str
    what: MetricStat | grammar.Node
    label: str = ""
    returns_data: bool = True
    period: int | None = None
    expression: str = ""


class Queries:
    """Queries that belong together, checked."""

    def __init__(self, queries: Sequence[Query]) -> None:
        """Raises: ValidationFailed, Unsupported."""
        self.all = {query.id: query for query in queries}
        if len(self.all) < len(queries):
            raise ValidationFailed("The values for parameter id in MetricDataQueries must be unique")
        for query in queries:
            _check(query, self.all)
        for query in queries:
            self._check_cycle(query.id, ())

    @classmethod
    def described(cls, documents: Iterable[Mapping[str, Any]]) -> Queries:
        """From the MetricDataQueries of an API call, or the Metrics of an alarm."""
        return cls([_query(document, index) for index, document in enumerate(documents, start=1)])

    @cached_property
    def stats(self) -> tuple[MetricStat, ...]:
        """The metrics that are asked for."""
        return tuple(query.what for query in self.all.values() if isinstance(query.what, MetricStat))

    @property
    def period(self) -> int:
        """The longest period that is asked for."""
        own = [query.period for query in self.all.values() if query.period]
        return max([*own, *(stat.period for stat in self.stats)], default=60)

    def values(self, source: Source, grid: Grid) -> dict[str, Value]:
        """Each query's value."""
        return _Evaluation(self.all, source, grid).values()

    def _check_cycle(self, query_id: str, above: tuple[str, ...]) -> None:
        if query_id in above:
            raise ValidationFailed(f"The expressions {', '.join((*above, query_id))} refer to each other in a circle")
        what = self.all[query_id].what
        for name in () if isinstance(what, MetricStat) else grammar.names_in(what):
            if name in self.all:
                self._check_cycle(name, (*above, query_id))


class _Evaluation:
    """One computation of all queries over one grid."""

    def __init__(self, queries: Mapping[str, Query], source: Source, grid: Grid) -> None:
        self._queries, self._source, self._grid = queries, source, grid
        self._known: dict[str, Value] = {}

    def values(self) -> dict[str, Value]:
        return {query_id: self._value(query_id) for query_id in self._queries}

    def _value(self, query_id: str) -> Value:
        if query_id not in self._known:
            query = self._queries[query_id]
            if isinstance(query.what, MetricStat):
                self._known[query_id] = query.what.series(self._source, self._grid, query.label)
            else:
                self._known[query_id] = _labelled(self._node(query.what), query)
        return self._known[query_id]

    def _node(self, node: grammar.Node) -> Value:
        match node:
            case grammar.Number(value):
                return value
            case grammar.Text(text):
                return text
            case grammar.Name(name):
                return self._value(name) if name in self._queries else name
            case grammar.Array(members):
                return tuple(series for member in members for series in _series(self._node(member)))
            case grammar.Call(function, arguments):
                values = [self._node(argument) for argument in arguments]
                if function == SEARCH:
                    return self._search(values)
                return apply(function, values, self._surroundings)

    @cached_property
    def _surroundings(self) -> Surroundings:
        metrics = {
            query_id: value
            for query_id, query in self._queries.items()
            if isinstance(query.what, MetricStat) and isinstance(value := self._value(query_id), Series)
        }
        return Surroundings(self._grid, metrics)

    def _search(self, arguments: Sequence[Value]) -> Value:
        if not 2 <= len(arguments) <= 3 or not all(isinstance(part, str) for part in arguments[:2]):
            raise ValidationFailed("SEARCH takes a search term, a statistic and a period: SEARCH('...', 'Average', 60)")
        matches = search(str(arguments[0]))
        given = arguments[2] if len(arguments) == 3 else None
        period = int(given) if isinstance(given, float) else self._grid.period
        found = [metric for metric in self._source.metrics(self._grid.end) if matches(metric)][:MOST_FOUND]
        stats = (MetricStat(metric, str(arguments[1]), period) for metric in found)
        return tuple(stat.series(self._source, self._grid, _name_of(stat.metric, found)) for stat in stats)


def _series(value: Value) -> tuple[Series, ...]:
    if isinstance(value, Series):
        return (value,)
    if isinstance(value, tuple):
        return value
    raise ValidationFailed(f"an array has time series in it; found {value!r}")


def _name_of(metric: Metric, others: Sequence[Metric]) -> str:
    """What tells a metric from the others that were found."""
    shared = {pair for pair in metric.dimensions if all(pair in other.dimensions for other in others)}
    own = [value for name, value in metric.dimensions if (name, value) not in shared]
    names = {other.name for other in others}
    return " ".join([*own, *([metric.name] if len(names) > 1 or not own else [])])


def _labelled(value: Value, query: Query) -> Value:
    if isinstance(value, Series):
        text = labelled(query.label, None, points=value.points, stat="", period=query.period or value.period)
        return replace(value, label=text or query.id)
    if isinstance(value, tuple) and query.label:
        return tuple(replace(series, label=f"{query.label} {series.label}".strip()) for series in value)
    return value


def _query(document: Mapping[str, Any], index: int) -> Query:
    where = f"MetricDataQueries.member.{index}"
    query_id = document.get("Id", "")
    if not ID.fullmatch(query_id):
        raise ValidationFailed(
            f"The value {query_id!r} for parameter {where}.Id must begin with a lower-case letter and have letters, "
            "digits and underscores only"
        )
    has_expression, has_stat = bool(document.get("Expression")), bool(document.get("MetricStat"))
    if has_expression == has_stat:
        raise ValidationFailed(f"{where} must have either Expression or MetricStat")
    if document.get("AccountId"):
        raise Unsupported("metrics of other accounts")
    if has_expression and document["Expression"].lstrip().upper().startswith("SELECT "):
        raise Unsupported("Metrics Insights queries (SELECT)")
    what = grammar.parse(document["Expression"]) if has_expression else _stat(document["MetricStat"], where)
    return Query(
        id=query_id,
        what=what,
        label=document.get("Label") or "",
        returns_data=document.get("ReturnData", True) is not False,
        period=document.get("Period"),
        expression=document.get("Expression") or "",
    )


def _stat(document: Mapping[str, Any], where: str) -> MetricStat:
    statistic(document["Stat"])
    period = int(document["Period"])
    check_period(period, f"{where}.MetricStat.Period")
    return MetricStat(Metric.described(document["Metric"]), document["Stat"], period, document.get("Unit"))


def check_period(period: int, where: str) -> None:
    """Raises ValidationFailed unless it is 1, 5, 10, 20, 30 or a multiple of 60."""
    if period not in (1, 5, 10, 20, 30) and (period < 60 or period % 60):
        raise ValidationFailed(f"The parameter {where} must be 1, 5, 10, 20, 30 or a multiple of 60; found {period}")


def _check(query: Query, others: Mapping[str, Query]) -> None:
    if isinstance(query.what, MetricStat):
        return
    for function in grammar.calls_in(query.what):
        if function in REFUSED:
            raise Unsupported(f"function {function}")
        if not known(function):
            raise ValidationFailed(f"Error in expression '{query.id}': Unknown function {function}")
    for name in grammar.names_in(query.what):
        if name not in others and name.upper() not in WORDS:
            raise ValidationFailed(f"Error in expression '{query.id}': Undefined variable {name}")
