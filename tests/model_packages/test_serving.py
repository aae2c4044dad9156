"""What SageMaker is told of a model that serves has the shapes of its API."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.session import Session
from botocore.validate import validate_parameters

from model_packages.contract import Endpoint, Rollout
from model_packages.serving import deployment_config, environment, initial_version, properties_of_the_new_config

STEP = {"Type": "CAPACITY_PERCENT", "Value": 25}


@pytest.mark.parametrize(
    ("strategy", "size", "minutes"),
    [
        ("canary", {"CanarySize": STEP}, 60 + 3 * 5),
        ("linear", {"LinearStepSize": STEP}, 60 + 5 * 5),
        ("all_at_once", {}, 60 + 2 * 5),
    ],
)
def test_a_rollout_is_guarded_as_the_api_takes_it(strategy: Any, size: dict[str, Any], minutes: int) -> None:
    rollout = Rollout(strategy=strategy, step_percent=25, bake_minutes=5)

    told = deployment_config(rollout, alarms=["one", "two"])

    policy = told["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"] == {
        "Type": strategy.upper(),
        "WaitIntervalInSeconds": 300,
        **size,
    }
    assert (policy["TerminationWaitInSeconds"], policy["MaximumExecutionTimeoutInSeconds"]) == (300, 60 * minutes)
    assert told["AutoRollbackConfiguration"] == {"Alarms": [{"AlarmName": "one"}, {"AlarmName": "two"}]}
    shape = Session().get_service_model("sagemaker").operation_model("UpdateEndpoint").input_shape
    validate_parameters(
        {
            "EndpointName": "flowers",
            "EndpointConfigName": "new",
            "DeploymentConfig": told,
            "ExcludeRetainedVariantProperties": properties_of_the_new_config(Endpoint()),
        },
        shape,
    )


@pytest.mark.parametrize(
    ("most", "changed"), [(4, ["DataCaptureConfig"]), (2, ["DataCaptureConfig", "DesiredInstanceCount"])]
)
def test_the_number_of_instances_is_kept_where_something_scales_them(most: int, changed: list[str]) -> None:
    endpoint = Endpoint(minimum_instances=2, maximum_instances=most)

    assert [each["VariantPropertyType"] for each in properties_of_the_new_config(endpoint)] == changed


def test_a_container_knows_its_package_and_version() -> None:
    version = initial_version("0123456789abcdef")

    assert environment("house_prices", version=version) == {
        "FLYBALL_PACKAGE": "house_prices",
        "FLYBALL_MODEL_VERSION": "initial-0123456789ab",
    }
