"""The datapoints of a metric alarm's evaluation range, out of the metric store."""

from __future__ import annotations

from collections.abc import Sequence

from local.services.cloudwatch.alarm import MetricAlarm
from local.services.cloudwatch.evaluation import Datapoint
from local.services.cloudwatch.expressions.evaluate import MetricStat
from local.services.cloudwatch.expressions.values import Grid, Series
from local.services.cloudwatch.statistics import is_percentile, needs_values, samples_needed, statistic
from local.services.cloudwatch.store import MetricStore


def datapoints(alarm: MetricAlarm, store: MetricStore, *, end: float) -> list[Datapoint]:
    """One a period, the oldest first; the last one ends at `end`."""
    period, count = alarm.period, alarm.rule.range_periods
    starts = [end - index * period for index in range(count, 0, -1)]
    if alarm.stat is not None:
        return _of_metric(alarm, alarm.stat, store, starts)
    return _of_expression(alarm, store, starts, end=end)


def _of_metric(alarm: MetricAlarm, stat: MetricStat, store: MetricStore, starts: Sequence[float]) -> list[Datapoint]:
    found = store.periods(
        stat.metric,
        start=starts[0],
        end=starts[-1] + stat.period,
        period=stat.period,
        unit=stat.unit,
        values=needs_values(stat.stat),
    )
    waits = alarm.settings.get("EvaluateLowSampleCountPercentile") == "ignore" and is_percentile(stat.stat)
    needed = samples_needed(stat.stat) if waits else 0.0
    measure = statistic(stat.stat)
    points = []
    for start in starts:
        samples = found.get(start)
        if samples is None:
            points.append(Datapoint(start))
        else:
            points.append(Datapoint(start, measure(samples), samples.count, is_scarce=samples.count < needed))
    return points


def _of_expression(alarm: MetricAlarm, store: MetricStore, starts: Sequence[float], *, end: float) -> list[Datapoint]:
    if alarm.queries is None or alarm.watched is None:
        return [Datapoint(start) for start in starts]
    values = alarm.queries.values(store, Grid(starts[0], end, alarm.period))
    value = values[alarm.watched.id]
    points = value.points if isinstance(value, Series) else {}
    return [Datapoint(start, points.get(start)) for start in starts]
