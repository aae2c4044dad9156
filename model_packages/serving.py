"""What SageMaker is told of a model that serves: its environment, and how traffic moves to it.

Plain dictionaries as the API and CloudFormation spell them, because a deployment and the retraining loop both tell it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from model_packages.contract import Endpoint, Rollout

PACKAGE_VARIABLE = "FLYBALL_PACKAGE"
MODEL_VERSION_VARIABLE = "FLYBALL_MODEL_VERSION"

SECONDS_A_MINUTE = 60
VERSION_DIGITS = 12


def environment(package: str, *, version: str) -> dict[str, str]:
    """Of the container that serves one version of a package."""
    return {PACKAGE_VARIABLE: package, MODEL_VERSION_VARIABLE: version}


def initial_version(digest: str) -> str:
    """What the initial version is called; `digest` is that of its artifact."""
    return f"initial-{digest[:VERSION_DIGITS]}"


def deployment_config(rollout: Rollout, *, alarms: Sequence[str]) -> dict[str, Any]:
    """package.toml's rollout as SageMaker's guardrails: blue/green, watched by `alarms`, taken back by itself."""
    return {
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm} for alarm in alarms]},
        "BlueGreenUpdatePolicy": {
            "MaximumExecutionTimeoutInSeconds": rollout.longest_minutes * SECONDS_A_MINUTE,
            # The old instances stay for one more bake, so that going back needs no new ones.
            "TerminationWaitInSeconds": _bake_seconds(rollout),
            "TrafficRoutingConfiguration": _traffic(rollout),
        },
    }


def properties_of_the_new_config(endpoint: Endpoint) -> list[dict[str, str]]:
    """What an update does not keep of the variant as it runs: capture, and the instances where nothing scales them."""
    scales = endpoint.maximum_instances > endpoint.minimum_instances
    changed = ["DataCaptureConfig"] if scales else ["DataCaptureConfig", "DesiredInstanceCount"]
    return [{"VariantPropertyType": name} for name in changed]


def _traffic(rollout: Rollout) -> dict[str, Any]:
    step = {"Type": "CAPACITY_PERCENT", "Value": rollout.step_percent}
    size = {"canary": {"CanarySize": step}, "linear": {"LinearStepSize": step}, "all_at_once": {}}[rollout.strategy]
    return {**size, "Type": rollout.strategy.upper(), "WaitIntervalInSeconds": _bake_seconds(rollout)}


def _bake_seconds(rollout: Rollout) -> int:
    return rollout.bake_minutes * SECONDS_A_MINUTE
