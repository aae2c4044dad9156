"""The endpoint operations called as clients call them: over moto's HTTP application, with its own serialization."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from local.moto_hooks import CloudHooks, install
from local.services.lambda_function import Invocation, InvocationType
from local.services.sagemaker.endpoints import EndpointState, EndpointStatus
from local.services.sagemaker.moto_state import MotoState
from local.services.sagemaker.operations import EndpointOperations
from local.services.sagemaker.plan import FleetPlan, ModelContainer, VariantPlan

ROLE = "arn:aws:iam::123456789012:role/any"


@dataclass
class Commands:
    """Keeps what the endpoints were told."""

    told: list[tuple[Any, ...]] = field(default_factory=list)

    def create(self, endpoint: str, plan: FleetPlan) -> None:
        self.told.append(("create", endpoint, plan))

    def update(self, endpoint: str, plan: FleetPlan) -> None:
        self.told.append(("update", endpoint, plan.config_name))

    def delete(self, endpoint: str) -> None:
        self.told.append(("delete", endpoint))

    def reweigh(self, endpoint: str, weights: Mapping[str, float]) -> None:
        self.told.append(("reweigh", endpoint, weights))


@dataclass
class Api:
    client: Any
    state: MotoState
    commands: Commands

    def config(self, name: str) -> None:
        variant = {
            "VariantName": "main",
            "ModelName": "digits",
            "InstanceType": "ml.g6e.xlarge",
            "InitialInstanceCount": 2,
            "InitialVariantWeight": 1.0,
            "ContainerStartupHealthCheckTimeoutInSeconds": 60,
            "InferenceAmiVersion": "al2023-ami-sagemaker-inference-gpu-4-1",
        }
        self.client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])

    def in_service(self) -> None:
        self.config("v1")
        self.client.create_endpoint(EndpointName="digits", EndpointConfigName="v1")
        self.state.show("digits", EndpointState(EndpointStatus.IN_SERVICE, "v1"))


def at_once(function: Callable[..., object], *arguments: Any) -> None:
    function(*arguments)


def no_function(_arn: str, _payload: bytes, _kind: InvocationType) -> Invocation:
    raise AssertionError("no function is invoked here")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with mock_aws():
        state, commands = MotoState(account_id="123456789012", region="us-east-1"), Commands()
        operations = EndpointOperations(state=state, endpoints=commands, later=at_once)
        uninstall = install(CloudHooks(invoke_lambda=no_function, sagemaker_operations=operations.by_name()))
        client = boto3.client("sagemaker", region_name="us-east-1")
        container = {"Image": "image", "ModelDataUrl": "s3://bucket/model.tar.gz", "Environment": {"A": "1"}}
        client.create_model(ModelName="digits", PrimaryContainer=container, ExecutionRoleArn=ROLE)
        yield Api(client, state, commands)
        uninstall()


def test_a_new_endpoint_is_creating_with_the_plan_of_its_config(api: Api) -> None:
    api.config("v1")

    created = api.client.create_endpoint(EndpointName="digits", EndpointConfigName="v1")

    described = api.client.describe_endpoint(EndpointName="digits")
    assert created["EndpointArn"] == "arn:aws:sagemaker:us-east-1:123456789012:endpoint/digits"
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("Creating", "v1")
    container = ModelContainer("image", "s3://bucket/model.tar.gz", {"A": "1"}, role_arn=ROLE)
    plan = FleetPlan("v1", (VariantPlan(name="main", container=container, startup_seconds=60.0),))
    assert api.commands.told == [("create", "digits", plan)]


def test_what_the_endpoint_says_of_itself_is_described_and_listed(api: Api) -> None:
    api.in_service()
    api.state.show("digits", EndpointState(EndpointStatus.FAILED, "v1", "no weights"))

    described = api.client.describe_endpoint(EndpointName="digits")
    (listed,) = api.client.list_endpoints()["Endpoints"]

    assert (described["EndpointStatus"], described["FailureReason"]) == ("Failed", "no weights")
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert listed["EndpointStatus"] == "Failed"


def test_an_update_keeps_the_old_config_until_the_new_one_serves(api: Api) -> None:
    api.in_service()
    api.config("v2")
    deployment = {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}}
    }

    api.client.update_endpoint(EndpointName="digits", EndpointConfigName="v2", DeploymentConfig=deployment)
    during = api.client.describe_endpoint(EndpointName="digits")
    api.state.show("digits", EndpointState(EndpointStatus.IN_SERVICE, "v2"))
    after = api.client.describe_endpoint(EndpointName="digits")

    assert (during["EndpointStatus"], during["EndpointConfigName"]) == ("Updating", "v1")
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "v2")
    assert after["LastDeploymentConfig"] == deployment
    assert api.commands.told[1] == ("update", "digits", "v2")


def test_a_deleted_endpoint_is_deleting_until_it_is_gone(api: Api) -> None:
    api.in_service()

    api.client.delete_endpoint(EndpointName="digits")
    during = api.client.describe_endpoint(EndpointName="digits")["EndpointStatus"]
    api.state.remove("digits")

    assert (during, api.commands.told[-1]) == ("Deleting", ("delete", "digits"))
    with pytest.raises(ClientError, match="Could not find endpoint"):
        api.client.describe_endpoint(EndpointName="digits")


def test_weights_can_be_changed(api: Api) -> None:
    api.in_service()

    api.client.update_endpoint_weights_and_capacities(
        EndpointName="digits", DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredWeight": 2.0}]
    )

    (variant,) = api.client.describe_endpoint(EndpointName="digits")["ProductionVariants"]
    assert (variant["CurrentWeight"], variant["CurrentInstanceCount"]) == (2.0, 2)
    assert api.commands.told[-1] == ("reweigh", "digits", {"main": 2.0})


def test_errors_reach_the_client_in_the_words_of_aws(api: Api) -> None:
    with pytest.raises(ClientError) as refusal:
        api.client.update_endpoint(EndpointName="digits", EndpointConfigName="v1")

    error = refusal.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert error["Message"] == ('Could not find endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/digits".')


def test_a_failed_endpoint_cannot_be_updated(api: Api) -> None:
    api.in_service()
    api.state.show("digits", EndpointState(EndpointStatus.FAILED, "v1", "no weights"))

    with pytest.raises(ClientError, match="Cannot update failed endpoint"):
        api.client.update_endpoint(EndpointName="digits", EndpointConfigName="v1")


def test_a_variant_that_is_not_there_has_no_weight(api: Api) -> None:
    api.in_service()

    with pytest.raises(ClientError, match="not present within endpoint configuration"):
        api.client.update_endpoint_weights_and_capacities(
            EndpointName="digits", DesiredWeightsAndCapacities=[{"VariantName": "none", "DesiredWeight": 1.0}]
        )
