"""PutMetricAlarm and PutCompositeAlarm: what their arguments must be, and what is refused by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from local.services.cloudwatch.book import checked_name, parsed
from local.services.cloudwatch.errors import (
    InvalidCombination,
    InvalidParameterValue,
    MissingParameter,
    Unsupported,
    ValidationFailed,
)
from local.services.cloudwatch.evaluation import OPERATORS, Missing
from local.services.cloudwatch.expressions import grammar
from local.services.cloudwatch.expressions.evaluate import MetricStat, Queries
from local.services.cloudwatch.expressions.functions import SEARCH
from local.services.cloudwatch.metric import check_dimensions, check_text, check_unit, dimensions_in
from local.services.cloudwatch.statistics import SIMPLE, statistic

DAY: Final = 86_400
WEEK: Final = 7 * DAY
MOST_ACTIONS: Final = 5
MOST_METRICS: Final = 10
LONGEST_DESCRIPTION: Final = 1024
OWN_METRIC: Final = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit")
UNSUPPORTED: Final[Mapping[str, str]] = {
    "ThresholdMetricId": "anomaly detection (ThresholdMetricId)",
    "EvaluationCriteria": "alarms on PromQL (EvaluationCriteria)",
    "EvaluationInterval": "alarms on PromQL (EvaluationInterval)",
    "EvaluationWindow": "evaluation windows (EvaluationWindow)",
    "WarmUpConfiguration": "warm-up of alarms (WarmUpConfiguration)",
    "ActionConfiguration": "configuration of actions (ActionConfiguration)",
}

Settings = Mapping[str, Any]


def check_metric_alarm(settings: Settings) -> None:
    """Raises: CloudWatchError."""
    _check_every_alarm(settings)
    compare = settings["ComparisonOperator"]
    if compare not in OPERATORS:
        raise Unsupported(f"anomaly detection (ComparisonOperator {compare})")
    if settings.get("Threshold") is None:
        raise MissingParameter("The parameter Threshold is required.")
    _check_periods(settings)
    _check_choice(settings, "TreatMissingData", [missing.value for missing in Missing])
    _check_choice(settings, "EvaluateLowSampleCountPercentile", ["evaluate", "ignore"])
    if settings.get("Metrics"):
        _check_expression(settings)
    else:
        _check_own_metric(settings)


def check_composite_alarm(settings: Settings) -> None:
    """Raises: CloudWatchError. Whether the alarms it names are there is another question."""
    _check_every_alarm(settings)
    parsed(settings["AlarmRule"])
    periods = ("ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")
    if settings.get("ActionsSuppressor"):
        lacking = [name for name in periods if settings.get(name) is None]
        if lacking:
            raise MissingParameter(f"{' and '.join(lacking)} must be given where ActionsSuppressor is")
        if negative := [name for name in periods if settings[name] < 0]:
            raise InvalidParameterValue(f"{' and '.join(negative)} must not be negative")
    elif given := [name for name in periods if settings.get(name) is not None]:
        raise InvalidCombination(f"{' and '.join(given)} can only be given where ActionsSuppressor is")


def _check_every_alarm(settings: Settings) -> None:
    checked_name(settings["AlarmName"])
    for name, what in UNSUPPORTED.items():
        if settings.get(name) is not None:
            raise Unsupported(what)
    if len(settings.get("AlarmDescription") or "") > LONGEST_DESCRIPTION:
        raise InvalidParameterValue(f"AlarmDescription may have {LONGEST_DESCRIPTION} characters")
    for name in ("AlarmActions", "OKActions", "InsufficientDataActions"):
        actions: Sequence[str] = settings.get(name) or ()
        if len(actions) > MOST_ACTIONS:
            raise InvalidParameterValue(f"{name} may have {MOST_ACTIONS} actions; found {len(actions)}")
        for action in actions:
            _check_action(action)


def _check_action(arn: str) -> None:
    parts = arn.split(":")
    if len(parts) < 6 or parts[0] != "arn":
        raise ValidationFailed(f"Invalid arn syntax: {arn}")
    if parts[2] not in ("sns", "lambda"):
        raise Unsupported(f"alarm action {arn}: topics and functions are notified")


def _check_periods(settings: Settings) -> None:
    periods = int(settings.get("EvaluationPeriods") or 0)
    if periods < 1:
        raise InvalidParameterValue(f"EvaluationPeriods must be at least 1; found {periods}")
    needed = settings.get("DatapointsToAlarm")
    if needed is not None and not 1 <= needed <= periods:
        raise InvalidParameterValue(
            f"DatapointsToAlarm must be from 1 to EvaluationPeriods, which is {periods}; found {needed}"
        )


def _check_range(period: int, settings: Settings) -> None:
    periods = int(settings["EvaluationPeriods"])
    limit = DAY if period < 3600 else WEEK
    if period * periods > limit:
        raise ValidationFailed(
            f"Metrics cannot be checked across more than {limit // DAY} day(s) "
            f"(EvaluationPeriods * Period must be <= {limit}); found {period * periods}"
        )


def _check_choice(settings: Settings, name: str, allowed: Sequence[str]) -> None:
    if settings.get(name) not in (None, *allowed):
        raise ValidationFailed(f"{name} must be one of {', '.join(allowed)}; found {settings[name]}")


def _check_own_metric(settings: Settings) -> None:
    if not settings.get("MetricName") or not settings.get("Namespace"):
        raise MissingParameter("An alarm needs MetricName and Namespace, or Metrics")
    check_text(settings["MetricName"], "MetricName")
    check_text(settings["Namespace"], "Namespace")
    check_dimensions(dimensions_in(settings), "Dimensions")
    if settings.get("Unit"):
        check_unit(settings["Unit"], "Unit")
    simple, extended = settings.get("Statistic"), settings.get("ExtendedStatistic")
    if bool(simple) == bool(extended):
        raise InvalidCombination("An alarm needs either Statistic or ExtendedStatistic")
    if simple and simple not in SIMPLE:
        raise InvalidParameterValue(f"Statistic must be one of {', '.join(SIMPLE)}; found {simple}")
    statistic(simple or extended)
    period = int(settings.get("Period") or 0)
    if period not in (10, 20, 30) and (period < 60 or period % 60):
        raise ValidationFailed(f"Period must be 10, 20, 30 or a multiple of 60; found {period}")
    _check_range(period, settings)


def _check_expression(settings: Settings) -> None:
    if given := [name for name in OWN_METRIC if settings.get(name)]:
        raise InvalidCombination(f"An alarm with Metrics cannot have {', '.join(given)} as well")
    queries = Queries.described(settings["Metrics"])
    shown = [query.id for query in queries.all.values() if query.returns_data]
    if len(shown) != 1:
        raise ValidationFailed(
            f"Exactly one of an alarm's Metrics must have ReturnData true; found {', '.join(shown) or 'none'}"
        )
    if len(queries.stats) > MOST_METRICS:
        raise ValidationFailed(f"An alarm's expression may have {MOST_METRICS} metrics; found {len(queries.stats)}")
    if len({stat.period for stat in queries.stats}) > 1:
        raise ValidationFailed("All metrics of an alarm must have the same Period")
    for query in queries.all.values():
        if not isinstance(query.what, MetricStat) and SEARCH in set(grammar.calls_in(query.what)):
            raise ValidationFailed("SEARCH is not supported on Metric Alarms.")
    _check_range(queries.period, settings)
