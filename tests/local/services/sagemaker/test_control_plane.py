"""Models, the registry, descriptions, lists and tags as clients call them: over moto's HTTP application."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from local.clock import ManualClock
from local.documents import InMemoryDocuments
from local.moto_hooks import CloudHooks, install
from local.services.lambda_function import Invocation, InvocationType
from local.services.sagemaker.descriptions import EndpointDescriptions
from local.services.sagemaker.models import ModelOperations
from local.services.sagemaker.moto_state import MotoState
from local.services.sagemaker.operations import EndpointOperations
from local.services.sagemaker.registry import ModelRegistry
from local.services.sagemaker.tags import TagOperations

ACCOUNT, REGION = "123456789012", "us-east-1"
PREFIX = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/flyball:digits"
SPECIFICATION = {
    "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://bucket/model.tar.gz"}],
    "SupportedContentTypes": ["application/json"],
    "SupportedResponseMIMETypes": ["application/json"],
}


class NoEndpoints:
    """Endpoints that stay as they are shown."""

    def create(self, *_arguments: object) -> None: ...
    def update(self, *_arguments: object) -> None: ...
    def delete(self, *_arguments: object) -> None: ...
    def reweigh(self, *_arguments: object) -> None: ...


def at_once(function: Callable[..., object], *arguments: Any) -> None:
    function(*arguments)


def no_function(_arn: str, _payload: bytes, _kind: InvocationType) -> Invocation:
    raise AssertionError("no function is invoked here")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, clock: ManualClock) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    groups, versions = InMemoryDocuments(), InMemoryDocuments()
    registry = ModelRegistry(groups=groups, versions=versions, clock=clock, account=ACCOUNT, region=REGION)
    with mock_aws():
        state = MotoState(account_id=ACCOUNT, region=REGION, registered=registry.containers)
        tags = TagOperations(
            state, {"model-package-group": registry.change_group, "model-package": registry.change_version}
        )
        operations = {
            **EndpointOperations(state=state, endpoints=NoEndpoints(), later=at_once).by_name(),
            **EndpointDescriptions(state).by_name(),
            **ModelOperations(state, trusts=lambda role, _service: role == ROLE).by_name(),
            **registry.by_name(),
            **tags.by_name(),
        }
        uninstall = install(CloudHooks(invoke_lambda=no_function, sagemaker_operations=operations))
        yield boto3.client("sagemaker", region_name=REGION)
        uninstall()


def model(client: Any, name: str = "digits", **members: Any) -> str:
    container = {"Image": IMAGE, "ModelDataUrl": "s3://bucket/model.tar.gz"}
    whole = {"PrimaryContainer": container, "ExecutionRoleArn": ROLE, **members}
    return str(client.create_model(ModelName=name, **whole)["ModelArn"])


def endpoint(client: Any, **members: Any) -> None:
    variant = {"VariantName": "main", "ModelName": "digits", "InstanceType": "ml.g6.xlarge", "InitialInstanceCount": 2}
    client.create_endpoint_config(EndpointConfigName="v1", ProductionVariants=[variant], **members)
    client.create_endpoint(EndpointName="digits", EndpointConfigName="v1")


def version(client: Any, group: str = "digits", **members: Any) -> str:
    made = client.create_model_package(ModelPackageGroupName=group, InferenceSpecification=SPECIFICATION, **members)
    return str(made["ModelPackageArn"])


def error_of(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as refusal:
        call()
    error = refusal.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_model_is_described_with_all_that_was_said_of_it(client: Any) -> None:
    vpc = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}

    arn = model(client, EnableNetworkIsolation=True, VpcConfig=vpc)

    described = client.describe_model(ModelName="digits")
    assert (arn, described["ModelArn"]) == (f"{PREFIX}:model/digits", f"{PREFIX}:model/digits")
    assert (described["EnableNetworkIsolation"], described["VpcConfig"]) == (True, vpc)
    assert described["PrimaryContainer"]["Image"] == IMAGE
    assert "Containers" not in described


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"PrimaryContainer": {"ModelPackageName": f"{PREFIX}:model-package/none/1"}}, "Could not find model package"),
        ({"ExecutionRoleArn": "arn:aws:iam::1:role/any"}, "at 'executionRoleArn' failed to satisfy constraint"),
        (
            {"ExecutionRoleArn": f"{ROLE}-other"},
            f"Could not assume role {ROLE}-other. Please ensure that the role exists and allows principal "
            "'sagemaker.amazonaws.com' to assume the role.",
        ),
        ({"Containers": [{"Image": IMAGE}]}, "Exactly one of PrimaryContainer and Containers"),
    ],
)
def test_a_model_that_cannot_be_is_refused(client: Any, members: dict[str, Any], message: str) -> None:
    code, text = error_of(lambda: model(client, **members))

    assert code == "ValidationException"
    assert message in text
    assert client.list_models()["Models"] == []


def test_a_models_name_is_used_once_until_it_is_deleted(client: Any) -> None:
    model(client)

    refused = error_of(lambda: model(client))
    client.delete_model(ModelName="digits")
    gone = error_of(lambda: client.describe_model(ModelName="digits"))
    model(client)

    assert refused == ("ValidationException", f'Cannot create already existing model "{PREFIX}:model/digits".')
    assert gone == ("ValidationException", f'Could not find model "{PREFIX}:model/digits".')


def test_models_are_listed_in_pages(client: Any) -> None:
    for number in range(5):
        model(client, f"digits-{number}")
    model(client, "payments")

    pages = client.get_paginator("list_models").paginate(
        NameContains="digits", SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2}
    )

    names = [[found["ModelName"] for found in page["Models"]] for page in pages]
    assert names == [["digits-0", "digits-1"], ["digits-2", "digits-3"], ["digits-4"]]


def test_an_endpoint_is_described_with_its_images_weights_and_capture(client: Any) -> None:
    model(client)
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 50,
        "DestinationS3Uri": "s3://bucket/captures",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }

    endpoint(client, DataCaptureConfig=capture)

    described = client.describe_endpoint(EndpointName="digits")
    (variant,) = described["ProductionVariants"]
    assert isinstance(variant["DeployedImages"][0].pop("ResolutionTime"), datetime)
    assert variant == {
        "VariantName": "main",
        "DeployedImages": [{"SpecifiedImage": IMAGE}],
        "CurrentWeight": 1.0,
        "DesiredWeight": 1.0,
        "CurrentInstanceCount": 2,
        "DesiredInstanceCount": 2,
    }
    assert described["DataCaptureConfig"] == {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": 50,
        "DestinationS3Uri": "s3://bucket/captures",
        "KmsKeyId": "",
    }


def test_endpoints_and_configs_are_listed(client: Any) -> None:
    model(client)
    endpoint(client)

    (listed,) = client.list_endpoints(StatusEquals="Creating")["Endpoints"]
    (config,) = client.list_endpoint_configs(NameContains="v")["EndpointConfigs"]

    assert (listed["EndpointName"], listed["EndpointStatus"]) == ("digits", "Creating")
    assert client.list_endpoints(StatusEquals="Failed")["Endpoints"] == []
    assert config["EndpointConfigArn"] == f"{PREFIX}:endpoint-config/v1"
    assert client.describe_endpoint_config(EndpointConfigName="v1")["ProductionVariants"][0]["ModelName"] == "digits"


def test_a_config_can_be_deleted_once(client: Any) -> None:
    model(client)
    endpoint(client)

    client.delete_endpoint_config(EndpointConfigName="v1")
    again = error_of(lambda: client.delete_endpoint_config(EndpointConfigName="v1"))

    assert again[1] == f'Could not find endpoint configuration "{PREFIX}:endpoint-config/v1".'
    assert client.describe_endpoint(EndpointName="digits")["EndpointConfigName"] == "v1"


def test_a_version_waits_for_its_approval(client: Any, clock: ManualClock) -> None:
    client.create_model_package_group(ModelPackageGroupName="digits")
    arn = version(client, ModelPackageDescription="the first", CustomerMetadataProperties={"a": "1", "b": "2"})
    before = client.describe_model_package(ModelPackageName=arn)

    clock.advance(60)
    client.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="good",
        CustomerMetadataProperties={"c": "3"},
        CustomerMetadataPropertiesToRemove=["a"],
    )

    after = client.describe_model_package(ModelPackageName=arn)
    assert arn == f"{PREFIX}:model-package/digits/1"
    assert (before["ModelApprovalStatus"], before["ModelPackageStatus"]) == ("PendingManualApproval", "Completed")
    assert (before["ModelPackageGroupName"], before["ModelPackageVersion"]) == ("digits", 1)
    assert "ModelPackageName" not in before
    assert (after["ModelApprovalStatus"], after["ApprovalDescription"]) == ("Approved", "good")
    assert after["CustomerMetadataProperties"] == {"b": "2", "c": "3"}
    assert (after["LastModifiedTime"] - after["CreationTime"]).total_seconds() == 60


def test_a_versions_number_is_never_given_again(client: Any) -> None:
    client.create_model_package_group(ModelPackageGroupName="digits")
    first, second = version(client), version(client)

    client.delete_model_package(ModelPackageName=second)
    third = version(client, f"{PREFIX}:model-package-group/digits")

    listed = client.list_model_packages(ModelPackageGroupName="digits")["ModelPackageSummaryList"]
    assert third == f"{PREFIX}:model-package/digits/3"
    assert [found["ModelPackageArn"] for found in listed] == [first, third]
    assert error_of(lambda: client.describe_model_package(ModelPackageName=second))[0] == "ValidationException"


def test_a_version_is_made_once_for_one_token(client: Any) -> None:
    client.create_model_package_group(ModelPackageGroupName="digits")

    first = version(client, ClientToken="run-1", ModelApprovalStatus="Approved")
    again = version(client, ClientToken="run-1", ModelApprovalStatus="Approved")
    other = version(client, ClientToken="run-2", ModelApprovalStatus="Approved")

    assert (again, other) == (first, first.replace("/1", "/2"))
    code, message = error_of(lambda: version(client, ClientToken="run-1", ModelApprovalStatus="Rejected"))
    assert (code, message) == ("ConflictException", "The ClientToken run-1 was used for another request.")


def test_a_version_has_the_tags_of_its_group(client: Any) -> None:
    client.create_model_package_group(ModelPackageGroupName="digits")

    _, message = error_of(lambda: version(client, Tags=[{"Key": "team", "Value": "fraud"}]))

    assert message.startswith("Tags cannot be given to a versioned model package")


def test_versions_are_filtered_and_listed_in_pages(client: Any) -> None:
    client.create_model_package_group(ModelPackageGroupName="digits")
    for number in range(12):
        version(client, ModelApprovalStatus="Approved" if number % 2 else "Rejected")
    client.create_model_package(ModelPackageName="alone", InferenceSpecification=SPECIFICATION)

    pages = client.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName="digits", ModelApprovalStatus="Approved", PaginationConfig={"PageSize": 4}
    )

    numbers = [[found["ModelPackageVersion"] for found in page["ModelPackageSummaryList"]] for page in pages]
    alone = client.list_model_packages()["ModelPackageSummaryList"]
    assert numbers == [[2, 4, 6, 8], [10, 12]]
    assert [found["ModelPackageName"] for found in alone] == ["alone"]


def test_a_model_is_made_of_a_version(client: Any) -> None:
    client.create_model_package_group(ModelPackageGroupName="digits")
    arn = version(client)

    model(client, PrimaryContainer={"ModelPackageName": arn, "Environment": {"A": "1"}})
    endpoint(client)

    described = client.describe_model(ModelName="digits")
    (variant,) = client.describe_endpoint(EndpointName="digits")["ProductionVariants"]
    assert described["PrimaryContainer"] == {"ModelPackageName": arn, "Environment": {"A": "1"}}
    assert variant["DeployedImages"][0]["SpecifiedImage"] == IMAGE


def test_a_group_is_deleted_only_when_it_is_empty(client: Any) -> None:
    client.create_model_package_group(ModelPackageGroupName="digits", ModelPackageGroupDescription="all digits")
    arn = version(client)

    refused = error_of(lambda: client.delete_model_package_group(ModelPackageGroupName="digits"))
    described = client.describe_model_package_group(ModelPackageGroupName=f"{PREFIX}:model-package-group/digits")
    client.delete_model_package(ModelPackageName=arn)
    client.delete_model_package_group(ModelPackageGroupName="digits")

    assert refused[0] == "ConflictException"
    assert (described["ModelPackageGroupDescription"], described["ModelPackageGroupStatus"]) == (
        "all digits",
        "Completed",
    )
    assert client.list_model_package_groups()["ModelPackageGroupSummaryList"] == []


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"ModelPackageGroupName": "none"}, "does not exist"),
        ({}, "Exactly one of ModelPackageName and ModelPackageGroupName"),
        ({"ModelPackageName": "a", "SkipModelValidation": "Perhaps"}, "'skipModelValidation' failed to satisfy"),
    ],
)
def test_a_version_that_cannot_be_is_refused(client: Any, members: dict[str, Any], message: str) -> None:
    code, text = error_of(lambda: client.create_model_package(InferenceSpecification=SPECIFICATION, **members))

    assert code == "ValidationException"
    assert message in text


def test_everything_can_be_tagged(client: Any) -> None:
    model(client, Tags=[{"Key": "team", "Value": "vision"}])
    endpoint(client)
    client.create_model_package_group(ModelPackageGroupName="digits")
    arns = [
        f"{PREFIX}:model/digits",
        f"{PREFIX}:endpoint/digits",
        f"{PREFIX}:endpoint-config/v1",
        f"{PREFIX}:model-package-group/digits",
        version(client),
    ]

    for arn in arns:
        client.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "sound"}, {"Key": "cost", "Value": "1"}])
        client.delete_tags(ResourceArn=arn, TagKeys=["cost", "none"])

    tags = [client.list_tags(ResourceArn=arn)["Tags"] for arn in arns]
    assert tags == [[{"Key": "team", "Value": "sound"}]] * len(arns)


def test_tags_are_bounded_and_belong_to_something(client: Any) -> None:
    arn = model(client)
    many = [{"Key": str(number), "Value": ""} for number in range(50)]
    client.add_tags(ResourceArn=arn, Tags=many)

    one_more = error_of(lambda: client.add_tags(ResourceArn=arn, Tags=[{"Key": "more", "Value": ""}]))
    nothing = error_of(lambda: client.list_tags(ResourceArn=f"{PREFIX}:model/none"))

    assert "50 tags at most" in one_more[1]
    assert nothing == ("ValidationException", f'Could not find resource "{PREFIX}:model/none".')
