"""GetMetricStatistics, GetMetricData and ListMetrics: what can be asked of the metric store."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from local.clock import Clock
from local.services.cloudwatch.errors import InvalidCombination, MissingParameter, ValidationFailed
from local.services.cloudwatch.expressions.evaluate import Queries, Query, check_period
from local.services.cloudwatch.expressions.functions import members_of
from local.services.cloudwatch.expressions.values import Grid, Series
from local.services.cloudwatch.metric import Metric, check_unit
from local.services.cloudwatch.paging import PAGES
from local.services.cloudwatch.samples import Samples
from local.services.cloudwatch.statistics import SIMPLE, statistic
from local.services.cloudwatch.store import MetricStore

MOST_DATAPOINTS: Final = 1440
MOST_QUERIES: Final = 500
METRICS_A_PAGE: Final = 500
DATAPOINTS_A_PAGE: Final = 100_800
DAY: Final = 86_400

Arguments = Mapping[str, Any]


class MetricReading:
    """Answers the operations, by the clock that says how old data are."""

    def __init__(self, store: MetricStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def get_metric_statistics(self, arguments: Arguments) -> dict[str, Any]:
        """Statistics of one metric, a datapoint a period that has data and unit."""
        names = [*(arguments.get("Statistics") or ()), *(arguments.get("ExtendedStatistics") or ())]
        if not names:
            raise MissingParameter("Must specify either Statistics or ExtendedStatistics")
        period = int(arguments["Period"])
        check_period(period, "Period")
        grid = self._grid(arguments, period)
        if (count := len(grid.starts())) > MOST_DATAPOINTS:
            raise InvalidCombination(
                f"You have requested up to {count:,} datapoints, which exceeds the limit of {MOST_DATAPOINTS:,}. You "
                "may reduce the datapoints requested by increasing Period, or decreasing the time range."
            )
        metric = Metric.described(arguments)
        if (wanted := arguments.get("Unit")) is not None:
            check_unit(wanted, "Unit")
        units = [wanted] if wanted else self._store.units(metric)
        points = [point for unit in units for point in self._datapoints(metric, unit, names, grid)]
        return {"Label": metric.name, "Datapoints": points}

    def _datapoints(self, metric: Metric, unit: str, names: Sequence[str], grid: Grid) -> Iterator[dict[str, Any]]:
        found = self._store.periods(metric, start=grid.start, end=grid.end, period=grid.period, unit=unit)
        for start, samples in found.items():
            if values := _statistics(samples, names):
                yield {"Timestamp": datetime.fromtimestamp(start, UTC), "Unit": unit, **values}

    def get_metric_data(self, arguments: Arguments) -> dict[str, Any]:
        """Metrics and expressions over a range of time."""
        documents = arguments["MetricDataQueries"]
        if len(documents) > MOST_QUERIES:
            raise ValidationFailed(f"MetricDataQueries has {len(documents)} queries; {MOST_QUERIES} are allowed")
        queries = Queries.described(documents)
        grid = self._grid(arguments, queries.period)
        values = queries.values(self._store, grid)
        is_ascending = arguments.get("ScanBy") == "TimestampAscending"
        results = [
            _result(query, series, is_ascending=is_ascending)
            for query in queries.all.values()
            if query.returns_data
            for series in _shown(query, values[query.id])
        ]
        return _page(results, arguments)

    def list_metrics(self, arguments: Arguments) -> dict[str, Any]:
        """The metrics that have had data within two weeks, or three hours."""
        recently = arguments.get("RecentlyActive")
        if recently not in (None, "PT3H"):
            raise ValidationFailed(f"RecentlyActive must be PT3H; found {recently}")
        now = self._clock.now().timestamp()
        found = [
            metric
            for metric in self._store.metrics(now, is_recent=recently is not None)
            if _is_listed(metric, arguments)
        ]
        page, token = PAGES.cut(found, arguments, size=METRICS_A_PAGE)
        return {"Metrics": [metric.document() for metric in page], **token}

    def _grid(self, arguments: Arguments, period: int) -> Grid:
        """From StartTime, rounded down as CloudWatch rounds it: the older, the more."""
        start, end = arguments["StartTime"].timestamp(), arguments["EndTime"].timestamp()
        if start >= end:
            raise ValidationFailed("The parameter StartTime must be less than the parameter EndTime.")
        age = self._clock.now().timestamp() - start
        if age > 63 * DAY:
            step = 3600
        elif age > 15 * DAY:
            step = 300
        else:
            step = min(period, 60)
        return Grid(start // step * step, end, period)


def _statistics(samples: Samples, names: Sequence[str]) -> dict[str, Any]:
    values = {name: statistic(name)(samples) for name in names}
    simple = {name: value for name, value in values.items() if name in SIMPLE and value is not None}
    extended = {name: value for name, value in values.items() if name not in SIMPLE and value is not None}
    return {**simple, **({"ExtendedStatistics": extended} if extended else {})}


def _shown(query: Query, value: Any) -> Sequence[Series]:
    shown = members_of(value)
    if not shown and not isinstance(value, tuple):
        raise ValidationFailed(
            f"Error in expression '{query.id}': it gives a number, and a query that returns data gives a time series"
        )
    return shown


def _result(query: Query, series: Series, *, is_ascending: bool) -> dict[str, Any]:
    points = sorted(series.points.items(), reverse=not is_ascending)
    kept = [(start, value) for start, value in points if math.isfinite(value)]
    return {
        "Id": query.id,
        "Label": series.label or query.id,
        "Timestamps": [datetime.fromtimestamp(start, UTC) for start, _ in kept],
        "Values": [value for _, value in kept],
        "StatusCode": "Complete",
    }


def _page(results: list[dict[str, Any]], arguments: Arguments) -> dict[str, Any]:
    """At most MaxDatapoints of all results together, then a token for the rest."""
    limit = int(arguments.get("MaxDatapoints") or DATAPOINTS_A_PAGE)
    first = PAGES.position(arguments)
    total = sum(len(result["Values"]) for result in results)
    shown, passed = [], 0
    for result in results:
        count = len(result["Values"])
        begin, end = max(first - passed, 0), max(min(first + limit - passed, count), 0)
        status = "Complete" if first + limit >= passed + count else "PartialData"
        if begin < end or (not count and not first):
            times, values = result["Timestamps"][begin:end], result["Values"][begin:end]
            shown.append({**result, "Timestamps": times, "Values": values, "StatusCode": status})
        passed += count
    return {"MetricDataResults": shown, "Messages": [], **PAGES.next(first + limit, total=total)}


def _is_listed(metric: Metric, arguments: Arguments) -> bool:
    if arguments.get("Namespace") not in (None, metric.namespace):
        return False
    if arguments.get("MetricName") not in (None, metric.name):
        return False
    own = dict(metric.dimensions)
    return all(
        entry["Name"] in own and entry.get("Value") in (None, own[entry["Name"]])
        for entry in arguments.get("Dimensions") or ()
    )
