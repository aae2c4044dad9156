"""Rollouts: every way in which one could not be watched, taken back, or finished is found by its id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cdk.alarms import ROLLBACK_ALARMS
from cdk.preflight import alarms
from cdk.preflight.findings import Finding
from tests.cdk.preflight.templates import Flowers, Json


def setting(*path: str | int, to: Any) -> Callable[[Json], None]:
    """An edit that sets one value below a resource's properties."""

    def edit(properties: Any) -> None:
        for key in path[:-1]:
            properties = properties[key]
        properties[path[-1]] = to

    return edit


def without(key: str) -> Callable[[Json], None]:
    def edit(properties: Json) -> None:
        del properties[key]

    return edit


def of_rollbacks(edit: Callable[[Json], None]) -> Callable[[Json], None]:
    """The edit, of the alarms that a rollout names."""

    def edit_some(alarm: Json) -> None:
        if alarm["AlarmName"].endswith(tuple(f"flowers-{watch.name}" for watch in ROLLBACK_ALARMS)):
            edit(alarm)

    return edit_some


ENDPOINT, CONFIG = "AWS::SageMaker::Endpoint", "AWS::SageMaker::EndpointConfig"
ALARM, TARGET, LOGS = "AWS::CloudWatch::Alarm", "AWS::ApplicationAutoScaling::ScalableTarget", "AWS::Logs::LogGroup"
FUNCTION = "AWS::Lambda::Function"
POLICY = ("DeploymentConfig", "BlueGreenUpdatePolicy")
ALARMS = ("DeploymentConfig", "AutoRollbackConfiguration", "Alarms")

BROKEN = [
    (ENDPOINT, setting(*ALARMS, to=[{"AlarmName": {"Ref": "Nothing"}}]), "rollback-alarm-missing"),
    (ENDPOINT, setting(*ALARMS, to=[{"AlarmName": "somebody-elses"}]), "rollback-alarm-missing"),
    (ENDPOINT, setting(*ALARMS, to=[{"AlarmName": {"Ref": "Registry"}}]), "rollback-alarm-missing"),
    (ENDPOINT, setting(*ALARMS, to=[]), "rollout-without-alarms"),
    (ENDPOINT, setting(*POLICY, "MaximumExecutionTimeoutInSeconds", to=600), "rollout-times-out"),
    (ENDPOINT, setting("RetainAllVariantProperties", to=False), "scaling-reset"),
    (
        ENDPOINT,
        setting(*POLICY, "TrafficRoutingConfiguration", "WaitIntervalInSeconds", to=60),
        "bake-shorter-than-alarm",
    ),
    (ALARM, of_rollbacks(setting("Dimensions", 0, "Value", to="flyball-roses")), "rollback-alarm-elsewhere"),
    (ALARM, of_rollbacks(setting("Dimensions", 1, "Value", to="other")), "rollback-alarm-elsewhere"),
    (ALARM, of_rollbacks(setting("EvaluationPeriods", to=1441)), "alarm-looks-too-far-back"),
    (ALARM, of_rollbacks(setting("Namespace", to="Flyball")), "alarm-metric-unpublished"),
    (CONFIG, setting("EndpointConfigName", to="flowers-1"), "endpoint-config-named"),
    (CONFIG, setting("ProductionVariants", 0, "InitialInstanceCount", to=5), "scaling-start"),
    (TARGET, setting("MaxCapacity", to=1), "scaling-range"),
    (TARGET, setting("ResourceId", to="endpoint/flyball-roses/variant/main"), "scaling-elsewhere"),
    (LOGS, setting("LogGroupName", to="/aws/sagemaker/Endpoints/flyball-roses"), "endpoint-logs-unmanaged"),
    (LOGS, setting("LogGroupName", to=None), "endpoint-logs-unmanaged"),
    (FUNCTION, without("LoggingConfig"), "function-logs-unmanaged"),
    (FUNCTION, setting("LoggingConfig", "LogGroup", to="/somewhere/else"), "function-logs-unmanaged"),
]


@pytest.mark.parametrize(("resource_type", "edit", "rule"), BROKEN)
def test_a_rollout_that_cannot_end_well_is_found(
    flowers: Flowers, resource_type: str, edit: Callable[[Json], None], rule: str
) -> None:
    assert flowers.having(edits={resource_type: edit}).ids() == {rule}


def test_a_shift_on_one_instance_is_found_whoever_chose_the_number(flowers: Flowers) -> None:
    single = setting("ProductionVariants", 0, "InitialInstanceCount", to=1)

    rules = flowers.having(edits={CONFIG: single}).ids()

    assert rules == {"shift-needs-two-instances", "scaling-start"}


def test_a_variant_of_another_name_is_found_with_all_that_it_loses(flowers: Flowers) -> None:
    renamed = setting("ProductionVariants", 0, "VariantName", to="green")

    rules = flowers.having(edits={CONFIG: renamed}).ids()

    assert rules == {"variant-renamed", "rollback-alarm-elsewhere", "scaling-elsewhere"}


@pytest.mark.parametrize(
    ("alarm", "count"),
    [
        ({"MetricName": "Invocation5XXErrors", "Statistic": "Average", "Threshold": 1}, 1),
        ({"MetricName": "Invocation5XXErrors", "Statistic": "Average", "Threshold": 0.5}, 0),
        ({"MetricName": "Invocation5XXErrors", "Statistic": "Sum", "Threshold": 10}, 0),
        ({"MetricName": "OverheadLatency", "ExtendedStatistic": "p99", "Threshold": 1}, 1),
        ({"MetricName": "ModelLatency", "ExtendedStatistic": "p99", "Threshold": 1}, 0),
    ],
)
def test_an_alarm_that_cannot_fire_is_found(flowers: Flowers, alarm: dict[str, Any], count: int) -> None:
    def replace_metric(properties: Json) -> None:
        for key in ("MetricName", "Statistic", "ExtendedStatistic", "Threshold"):
            properties.pop(key, None)
        properties.update(alarm)

    findings = deaf(flowers.having(edits={ALARM: of_rollbacks(replace_metric)}).findings())

    assert len(findings) == count * 3


def deaf(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.rule is alarms.ALARM_CANNOT_FIRE]
