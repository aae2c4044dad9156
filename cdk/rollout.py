"""package.toml's rollout as SageMaker's deployment guardrails: blue/green, watched by alarms, taken back by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sagemaker as sagemaker

from model_packages.contract import Rollout
from model_packages.discovery import ModelPackage
from model_packages.errors import OperatorError

_Endpoint = sagemaker.CfnEndpoint

SECONDS_A_MINUTE = 60
PROVISIONING_SECONDS = 3600
LONGEST_EXECUTION_SECONDS = 28_800
SMALLEST_LINEAR_PERCENT = 10


def deployment_config(
    package: ModelPackage, *, alarms: Sequence[cloudwatch.IAlarm]
) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
    """How CloudFormation has SageMaker move traffic to a new endpoint config, and what moves it back.

    Raises: OperatorError for a rollout in smaller steps, or of a longer time, than SageMaker allows.
    """
    rollout = package.config.rollout
    _check(rollout, file=f"{package.name}/package.toml")
    return _Endpoint.DeploymentConfigProperty(
        blue_green_update_policy=_Endpoint.BlueGreenUpdatePolicyProperty(
            traffic_routing_configuration=_traffic(rollout),
            # The old instances stay for one more bake, so that going back needs no new ones.
            termination_wait_in_seconds=_bake_seconds(rollout),
            maximum_execution_timeout_in_seconds=PROVISIONING_SECONDS + _waiting_seconds(rollout),
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


def _check(rollout: Rollout, *, file: str) -> None:
    if rollout.strategy == "linear" and rollout.step_percent < SMALLEST_LINEAR_PERCENT:
        raise OperatorError(
            f"{file}: rollout.step_percent is {rollout.step_percent}; "
            f"allowed with rollout.strategy 'linear': {SMALLEST_LINEAR_PERCENT} to 50"
        )
    longest = LONGEST_EXECUTION_SECONDS - PROVISIONING_SECONDS
    if _waiting_seconds(rollout) > longest:
        raise OperatorError(
            f"{file}: the rollout waits for {_waiting_seconds(rollout) // SECONDS_A_MINUTE} minutes in all; "
            f"allowed: {longest // SECONDS_A_MINUTE}, so lower rollout.bake_minutes or raise rollout.step_percent"
        )


def _bake_seconds(rollout: Rollout) -> int:
    return rollout.bake_minutes * SECONDS_A_MINUTE


def _waiting_seconds(rollout: Rollout) -> int:
    """The bake after each step, and the one more before the old instances go."""
    steps = {"all_at_once": 1, "canary": 2, "linear": math.ceil(100 / rollout.step_percent)}[rollout.strategy]
    return (steps + 1) * _bake_seconds(rollout)
