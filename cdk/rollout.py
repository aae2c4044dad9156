"""package.toml's rollout as SageMaker's deployment guardrails: blue/green, watched by alarms, taken back by itself."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sagemaker as sagemaker

from model_packages.contract import Rollout
from model_packages.discovery import ModelPackage

_Endpoint = sagemaker.CfnEndpoint

SECONDS_A_MINUTE = 60


def deployment_config(
    package: ModelPackage, *, alarms: Sequence[cloudwatch.IAlarm]
) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
    """How CloudFormation has SageMaker move traffic to a new endpoint config, and what moves it back."""
    rollout = package.config.rollout
    return _Endpoint.DeploymentConfigProperty(
        blue_green_update_policy=_Endpoint.BlueGreenUpdatePolicyProperty(
            traffic_routing_configuration=_traffic(rollout),
            # The old instances stay for one more bake, so that going back needs no new ones.
            termination_wait_in_seconds=_bake_seconds(rollout),
            maximum_execution_timeout_in_seconds=rollout.longest_minutes * SECONDS_A_MINUTE,
        ),
        auto_rollback_configuration=_Endpoint.AutoRollbackConfigProperty(
            alarms=[_Endpoint.AlarmProperty(alarm_name=alarm.alarm_name) for alarm in alarms]
        ),
    )


def _traffic(rollout: Rollout) -> sagemaker.CfnEndpoint.TrafficRoutingConfigProperty:
    step = _Endpoint.CapacitySizeProperty(type="CAPACITY_PERCENT", value=rollout.step_percent)
    return _Endpoint.TrafficRoutingConfigProperty(
        type=rollout.strategy.upper(),
        wait_interval_in_seconds=_bake_seconds(rollout),
        canary_size=step if rollout.strategy == "canary" else None,
        linear_step_size=step if rollout.strategy == "linear" else None,
    )


def _bake_seconds(rollout: Rollout) -> int:
    return rollout.bake_minutes * SECONDS_A_MINUTE
