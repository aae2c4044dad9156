"""Whether a rollout is watched: the alarms that it names exist, look at this endpoint, and can fire in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cdk.preflight.endpoints import Endpoint, endpoints
from cdk.preflight.findings import Finding, error, warning
from cdk.preflight.installation import Installation, Json, Resource, Stack, name_of, text_of
from functions.gateway.metrics import NAMESPACE, Metric
from functions.monitor.metrics import EndpointMetric, FieldMetric, WindowMetric
from functions.retraining.metrics import RetrainingMetric

SHARES = ("Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors")
"""Metrics of one 0 or 1 a request, whose average is never above 1."""
WITHOUT_PERCENTILES = ("OverheadLatency",)

ALARM_MISSING = error(
    "rollback-alarm-missing", "A rollout names an alarm that no template makes: SageMaker refuses the update."
)
ALARM_ELSEWHERE = error(
    "rollback-alarm-elsewhere", "A rollback alarm watches another endpoint or variant: it never takes this one back."
)
ALARM_CANNOT_FIRE = error(
    "alarm-cannot-fire", "An alarm's metric never has a value that its threshold asks for: nothing is watched."
)
NO_ALARMS = warning("rollout-without-alarms", "A rollout has no rollback alarms: nothing takes a bad version back.")
BAKE_TOO_SHORT = warning(
    "bake-shorter-than-alarm", "The bake ends before the alarm can have seen enough periods: it fires too late."
)
ALARM_TOO_LONG = error(
    "alarm-looks-too-far-back",
    "An alarm looks at more than a day, or with periods of an hour and more at a week: CloudWatch refuses it.",
)
METRIC_UNPUBLISHED = error(
    "alarm-metric-unpublished", "An alarm reads a metric of Flyball's that nothing publishes: it never fires."
)
RULES = (
    ALARM_MISSING,
    ALARM_ELSEWHERE,
    ALARM_CANNOT_FIRE,
    NO_ALARMS,
    BAKE_TOO_SHORT,
    ALARM_TOO_LONG,
    METRIC_UNPUBLISHED,
)

HOUR_SECONDS, DAY_SECONDS, WEEK_SECONDS = 3600, 86_400, 604_800
PUBLISHED = frozenset[str]({*Metric, *WindowMetric, *FieldMetric, *EndpointMetric, *RetrainingMetric})


def check(installation: Installation) -> Iterator[Finding]:
    """Looks at the alarms that rollouts name, and at every alarm."""
    for endpoint in endpoints(installation):
        yield from _alarm_findings(endpoint)
    for stack in installation.stacks:
        yield from _deaf_alarms(stack)
        for alarm in stack.resources("AWS::CloudWatch::Alarm"):
            yield from _range_findings(alarm, stack)
            yield from _metric_findings(alarm, stack)


def _alarm_findings(endpoint: Endpoint) -> Iterator[Finding]:
    named = endpoint.deployment.get("AutoRollbackConfiguration", {}).get("Alarms", [])
    if not named:
        yield NO_ALARMS.broken(
            endpoint.resource.where,
            found="no AutoRollbackConfiguration.Alarms",
            allowed="one alarm or more",
            change="cdk/endpoint.py: name the rollback alarms",
            package=endpoint.package,
        )
    for entry in named:
        alarm = _alarm(endpoint.stack, entry["AlarmName"])
        if alarm is None:
            yield ALARM_MISSING.broken(
                endpoint.resource.where,
                found=text_of(entry["AlarmName"], endpoint.stack),
                allowed="an alarm of the same template",
                change="cdk/alarms.py: make it, or do not name it",
                package=endpoint.package,
            )
        else:
            yield from _watched(endpoint, alarm)


def _watched(endpoint: Endpoint, alarm: Resource) -> Iterator[Finding]:
    dimensions = _dimensions(alarm, endpoint.stack)
    expected = {"EndpointName": {endpoint.name}, "VariantName": endpoint.variant_names}
    wrong = {
        key: dimensions[key] for key, values in expected.items() if key in dimensions and dimensions[key] not in values
    }
    if wrong:
        yield ALARM_ELSEWHERE.broken(
            alarm.where,
            found=", ".join(f"{key} {value}" for key, value in wrong.items()),
            allowed=f"EndpointName {endpoint.name}, VariantName {' or '.join(sorted(expected['VariantName']))}",
            change="the alarm's dimensions in cdk/alarms.py",
            package=endpoint.package,
        )
    bake = endpoint.routing.get("WaitIntervalInSeconds")
    needed = alarm.properties.get("DatapointsToAlarm", alarm.properties.get("EvaluationPeriods", 1))
    needed_seconds = needed * alarm.properties.get("Period", 60)
    if bake is not None and needed_seconds > bake:
        yield BAKE_TOO_SHORT.broken(
            alarm.where,
            found=f"{needed_seconds} s until it can fire, with a bake of {bake} s",
            allowed=f"{bake} s or less",
            change="a longer rollout.bake_minutes in package.toml",
            package=endpoint.package,
        )


def _deaf_alarms(stack: Stack) -> Iterator[Finding]:
    for alarm in stack.resources("AWS::CloudWatch::Alarm"):
        reason = _why_deaf(alarm.properties)
        if reason is not None:
            yield ALARM_CANNOT_FIRE.broken(
                alarm.where,
                found=reason,
                allowed="a threshold below 1 for a share, and Average for a metric without percentiles",
                change="the alarm's statistic or threshold",
                package=stack.package_name,
            )


def _range_findings(alarm: Resource, stack: Stack) -> Iterator[Finding]:
    periods = [reading["Period"] for reading in _readings(alarm)]
    count = alarm.properties.get("EvaluationPeriods", 1)
    for period in dict.fromkeys(periods):
        most = WEEK_SECONDS if period >= HOUR_SECONDS else DAY_SECONDS
        if period * count > most:
            yield ALARM_TOO_LONG.broken(
                alarm.where,
                found=f"{count} periods of {period:,} s: {count * period:,} s",
                allowed=f"{most:,} s",
                change="fewer or shorter periods in cdk/alarms.py",
                package=stack.package_name,
            )


def _metric_findings(alarm: Resource, stack: Stack) -> Iterator[Finding]:
    for reading in _readings(alarm):
        if reading["Namespace"] == NAMESPACE and reading["MetricName"] not in PUBLISHED:
            yield METRIC_UNPUBLISHED.broken(
                alarm.where,
                found=f"{NAMESPACE} {reading['MetricName']}",
                allowed="a metric of metrics.py in functions/gateway, functions/monitor or functions/retraining",
                change="the alarm's metric in cdk/alarms.py",
                package=stack.package_name,
            )


def _readings(alarm: Resource) -> Iterator[Json]:
    """Every metric that an alarm reads, with its period."""
    if "MetricName" in alarm.properties:
        yield alarm.properties
    for query in alarm.properties.get("Metrics", []):
        if "MetricStat" in query:
            yield {**query["MetricStat"]["Metric"], "Period": query["MetricStat"]["Period"]}


def _why_deaf(alarm: Json) -> str | None:
    metric, above = alarm.get("MetricName"), str(alarm.get("ComparisonOperator", "")).startswith("GreaterThan")
    if metric in SHARES and alarm.get("Statistic") == "Average" and above and alarm.get("Threshold", 0) >= 1:
        return f"the average of {metric}, which is 1 at most, above {alarm['Threshold']}"
    if metric in WITHOUT_PERCENTILES and str(alarm.get("ExtendedStatistic", "")).startswith("p"):
        return f"{alarm['ExtendedStatistic']} of {metric}, which has no percentiles"
    return None


def _alarm(stack: Stack, name: Any) -> Resource | None:
    """The alarm that a rollout names, by reference or by text."""
    if isinstance(name, dict) and "Ref" in name:
        found = stack.resource(name["Ref"])
        return found if found and found.type in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm") else None
    alarms = stack.resources("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
    return next((alarm for alarm in alarms if name_of(alarm, stack) == text_of(name, stack)), None)


def _dimensions(alarm: Resource, stack: Stack) -> Mapping[str, str]:
    return {entry["Name"]: text_of(entry["Value"], stack) for entry in alarm.properties.get("Dimensions", [])}
