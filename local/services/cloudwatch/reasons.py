"""Why a metric alarm changes its state, in CloudWatch's words and as its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from local.services.cloudwatch.alarm import MetricAlarm, Standing, reason_data
from local.services.cloudwatch.evaluation import Datapoint, Judgement, Missing, State
from local.services.cloudwatch.times import in_json, in_reason

COMPARISONS: Final[Mapping[str, str]] = {
    "GreaterThanThreshold": "greater than",
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}
TREATED: Final[Mapping[Missing, str]] = {
    Missing.BREACHING: "Breaching",
    Missing.NOT_BREACHING: "NonBreaching",
    Missing.IGNORE: "Ignored",
    Missing.MISSING: "Missing",
}


def standing(
    alarm: MetricAlarm, judgement: Judgement, state: State, *, points: Sequence[Datapoint], at: float
) -> Standing:
    """The new state with its reason."""
    return Standing(state, _text(alarm, judgement, state), _data(alarm, judgement, points, at), at)


def _text(alarm: MetricAlarm, judgement: Judgement, state: State) -> str:
    rule = alarm.rule
    if state is State.INSUFFICIENT_DATA:
        were = "datapoint was" if rule.evaluation_periods == 1 else "datapoints were"
        return f"Insufficient Data: {rule.evaluation_periods} {were} unknown."
    treated = _treated(judgement, rule.missing)
    if not judgement.evaluated:
        periods = _counted(rule.evaluation_periods, "period")
        return f"Threshold Crossed: no datapoints were received for {periods} and {treated}."
    telling = [point for point in judgement.evaluated if _breaches(alarm, point) == (state is State.ALARM)]
    # With breaching treatment an ALARM may rest on missing datapoints alone.
    told = telling or list(judgement.evaluated)
    is_breaching = _breaches(alarm, told[0])
    comparison = COMPARISONS[alarm.settings["ComparisonOperator"]]
    threshold = f"the threshold ({float(alarm.settings['Threshold'])})"
    was = ("was" if len(told) == 1 else "were") + ("" if is_breaching else " not")
    listed = ", ".join(f"{point.value} ({in_reason(point.start)})" for point in reversed(told))
    also = f" and {treated}" if treated else ""
    return (
        f"Threshold Crossed: {_how_many(alarm, len(told))} [{listed}] {was} {comparison} {threshold}{also}"
        f"{_needed(alarm, state)}."
    )


def _how_many(alarm: MetricAlarm, count: int) -> str:
    if alarm.settings.get("DatapointsToAlarm"):
        return f"{count} out of the last {alarm.rule.evaluation_periods} datapoints"
    return _counted(count, "datapoint")


def _needed(alarm: MetricAlarm, state: State) -> str:
    if not alarm.settings.get("DatapointsToAlarm"):
        return ""
    needed = alarm.rule.datapoints_to_alarm
    if state is State.ALARM:
        return f" (minimum {_counted(needed, 'datapoint')} for OK -> ALARM transition)"
    count = _counted(alarm.rule.evaluation_periods - needed + 1, "datapoint")
    return f" (minimum {count} for ALARM -> OK transition)"


def _treated(judgement: Judgement, missing: Missing) -> str:
    if not judgement.filled or missing in (Missing.MISSING, Missing.IGNORE):
        return ""
    were = "datapoint was" if judgement.filled == 1 else "datapoints were"
    return f"{judgement.filled} missing {were} treated as [{TREATED[missing]}]"


def _data(alarm: MetricAlarm, judgement: Judgement, points: Sequence[Datapoint], at: float) -> str:
    evaluated = judgement.evaluated
    latest = evaluated or points[-alarm.rule.evaluation_periods :]
    stat = alarm.stat
    return reason_data(
        version="1.0",
        queryDate=in_json(at),
        startDate=in_json(evaluated[0].start) if evaluated else None,
        unit=stat.unit if stat else None,
        statistic=stat.stat if stat else None,
        period=alarm.period,
        recentDatapoints=[point.value for point in evaluated],
        threshold=float(alarm.settings["Threshold"]),
        evaluatedDatapoints=[_evaluated(point) for point in reversed(latest)],
    )


def _evaluated(point: Datapoint) -> dict[str, str | float]:
    found: dict[str, str | float] = {"timestamp": in_json(point.start)}
    if point.sample_count is not None:
        found["sampleCount"] = point.sample_count
    if point.value is not None:
        found["value"] = point.value
    return found


def _breaches(alarm: MetricAlarm, point: Datapoint) -> bool:
    return point.value is not None and alarm.rule.breaches(point.value)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
