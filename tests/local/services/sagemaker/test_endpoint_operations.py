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
from local.services.sagemaker.descriptions import EndpointDescriptions
from local.services.sagemaker.endpoints import EndpointState, EndpointStatus
from local.services.sagemaker.guardrails import Guardrails
from local.services.sagemaker.moto_state import MotoState
from local.services.sagemaker.operations import EndpointOperations
from local.services.sagemaker.plan import FleetPlan, ModelContainer, VariantPlan

ROLE = "arn:aws:iam::123456789012:role/any"


@dataclass
class Commands:
    """Keeps what the endpoints were told."""

    told: list[tuple[Any, ...]] = field(default_factory=list)
    updates: list[tuple[FleetPlan, Guardrails]] = field(default_factory=list)

    def create(self, endpoint: str, plan: FleetPlan) -> None:
        self.told.append(("create", endpoint, plan))

    def update(self, endpoint: str, plan: FleetPlan, rails: Guardrails) -> None:
        self.told.append(("update", endpoint, plan.config_name))
        self.updates.append((plan, rails))

    def delete(self, endpoint: str) -> None:
        self.told.append(("delete", endpoint))

    def reweigh(self, endpoint: str, weights: Mapping[str, float]) -> None:
        self.told.append(("reweigh", endpoint, weights))


@dataclass
class Api:
    client: Any
    state: MotoState
    commands: Commands

    def config(self, name: str, *, instances: int = 2, **members: Any) -> None:
        variant = {
            "VariantName": "main",
            "ModelName": "digits",
            "InstanceType": "ml.g6e.xlarge",
            "InitialInstanceCount": instances,
            "InitialVariantWeight": 1.0,
            "ContainerStartupHealthCheckTimeoutInSeconds": 60,
            "InferenceAmiVersion": "al2023-ami-sagemaker-inference-gpu-4-1",
        }
        self.client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], **members)

    def in_service(self, **members: Any) -> None:
        self.config("v1", **members)
        self.client.create_endpoint(EndpointName="digits", EndpointConfigName="v1")
        self.state.show("digits", EndpointState(EndpointStatus.IN_SERVICE, "v1"))

    def scale(self, instances: int, *, weight: float) -> None:
        wanted = {"VariantName": "main", "DesiredInstanceCount": instances, "DesiredWeight": weight}
        self.client.update_endpoint_weights_and_capacities(EndpointName="digits", DesiredWeightsAndCapacities=[wanted])

    def update(self, **members: Any) -> None:
        self.client.update_endpoint(EndpointName="digits", EndpointConfigName="v2", **members)

    def end(self, config: str = "v2") -> dict[str, Any]:
        """The update has come to its end on a config; what the endpoint says then."""
        self.state.show("digits", EndpointState(EndpointStatus.IN_SERVICE, config))
        described: dict[str, Any] = self.client.describe_endpoint(EndpointName="digits")
        return described


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
        operations = {
            **EndpointOperations(state=state, endpoints=commands, later=at_once).by_name(),
            **EndpointDescriptions(state).by_name(),
        }
        uninstall = install(CloudHooks(invoke_lambda=no_function, sagemaker_operations=operations))
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
    variant = VariantPlan(
        name="main", container=container, instances=2, instance_type="ml.g6e.xlarge", startup_seconds=60.0
    )
    plan = FleetPlan("v1", (variant,))
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


def blue_green(**routing: Any) -> dict[str, Any]:
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"WaitIntervalInSeconds": 60, **routing}}}


CANARY = blue_green(Type="CANARY", CanarySize={"Type": "INSTANCE_COUNT", "Value": 1})
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://captures/digits",
    "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
}


def test_what_is_pending_is_shown_until_the_update_is_over(api: Api) -> None:
    api.in_service()
    api.config("v2", instances=3)

    api.update()
    during = api.client.describe_endpoint(EndpointName="digits")
    after = api.end()

    pending = during["PendingDeploymentSummary"]
    (variant,) = pending["ProductionVariants"]
    (stage,) = variant["VariantStatus"]
    assert pending["EndpointConfigName"] == "v2"
    assert (stage["Status"], stage["StatusMessage"]) == ("Creating", "Launching 3 instance(s).")
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (0, 3)
    assert variant["InstanceType"] == "ml.g6e.xlarge"
    assert during["ProductionVariants"][0]["DesiredInstanceCount"] == 2
    assert "PendingDeploymentSummary" not in after


def test_an_update_sets_the_counts_and_weights_of_its_config(api: Api) -> None:
    api.in_service()
    api.scale(7, weight=3.0)
    api.config("v2", instances=4)

    api.update()
    (variant,) = api.end()["ProductionVariants"]

    assert (variant["DesiredInstanceCount"], variant["CurrentWeight"]) == (4, 1.0)
    assert [(each.instances, each.weight) for each in api.commands.updates[0][0].variants] == [(4, 1.0)]


# fmt: off
RETAINED = [
    # excluded                                     count  weight  captured percent
    ([],                                           7,     3.0,    100),
    (["DesiredInstanceCount"],                     4,     3.0,    100),
    (["DesiredWeight"],                            7,     1.0,    100),
    (["DataCaptureConfig"],                        7,     3.0,    None),
    (["DesiredInstanceCount", "DesiredWeight",
      "DataCaptureConfig"],                        4,     1.0,    None),
]
# fmt: on


@pytest.mark.parametrize(("excluded", "count", "weight", "percent"), RETAINED)
def test_an_update_retains_what_it_is_told_to(
    api: Api, excluded: list[str], count: int, weight: float, percent: int | None
) -> None:
    api.in_service(DataCaptureConfig=CAPTURE)
    api.scale(7, weight=3.0)
    api.config("v2", instances=4)

    api.update(
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": each} for each in excluded],
    )
    after = api.end()

    (variant,), plan = after["ProductionVariants"], api.commands.updates[0][0]
    assert (variant["DesiredInstanceCount"], variant["CurrentInstanceCount"]) == (count, count)
    assert (variant["DesiredWeight"], variant["CurrentWeight"]) == (weight, weight)
    assert [(each.instances, each.weight) for each in plan.variants] == [(count, weight)]
    assert after.get("DataCaptureConfig", {}).get("CurrentSamplingPercentage") == percent
    assert (None if plan.capture is None else plan.capture.percent) == percent


def test_an_update_that_is_rolled_back_leaves_counts_and_weights_as_they_were(api: Api) -> None:
    api.in_service()
    api.scale(7, weight=3.0)
    api.config("v2", instances=4)

    api.update()
    api.state.show("digits", EndpointState(EndpointStatus.ROLLING_BACK, "v1", "an alarm"))
    (variant,) = api.end("v1")["ProductionVariants"]

    assert (variant["DesiredInstanceCount"], variant["CurrentWeight"]) == (7, 3.0)


def test_the_canarys_size_goes_by_the_retained_instances(api: Api) -> None:
    api.in_service()
    api.scale(8, weight=1.0)
    api.config("v2")

    api.update(RetainAllVariantProperties=True, DeploymentConfig=CANARY)

    canary, _whole = api.commands.updates[0][1].steps
    assert (canary.share, canary.active) == (1 / 8, {"main": 1})


def test_the_last_deployment_config_can_be_used_again(api: Api) -> None:
    api.in_service()
    api.config("v2")

    api.update(DeploymentConfig=CANARY)
    api.end("v1")
    api.update(RetainDeploymentConfig=True)
    retained = api.end()["LastDeploymentConfig"]
    api.update()
    without = api.end()

    assert retained == CANARY
    assert [len(rails.steps) for _plan, rails in api.commands.updates] == [2, 2, 1]
    assert "LastDeploymentConfig" not in without


def test_a_canary_of_more_than_half_is_refused_and_nothing_begins(api: Api) -> None:
    api.in_service()
    api.config("v2", instances=1)

    with pytest.raises(ClientError, match="CanarySize is 1 of the 1 instance"):
        api.update(DeploymentConfig=CANARY)

    assert api.client.describe_endpoint(EndpointName="digits")["EndpointStatus"] == "InService"
    assert api.commands.updates == []


@pytest.mark.parametrize("status", [EndpointStatus.UPDATING, EndpointStatus.ROLLING_BACK])
def test_an_endpoint_in_the_middle_of_an_update_is_left_alone(api: Api, status: EndpointStatus) -> None:
    api.in_service()
    api.config("v2")
    api.state.show("digits", EndpointState(status, "v1"))

    for call in (
        api.update,
        lambda: api.scale(1, weight=1.0),
        lambda: api.client.delete_endpoint(EndpointName="digits"),
    ):
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            call()


def test_an_endpoint_whose_rollback_failed_can_be_updated(api: Api) -> None:
    api.in_service()
    api.config("v2")
    api.state.show("digits", EndpointState(EndpointStatus.UPDATE_ROLLBACK_FAILED, "v1", "both failed"))

    api.update()

    assert api.client.describe_endpoint(EndpointName="digits")["EndpointStatus"] == "Updating"
