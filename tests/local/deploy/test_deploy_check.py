"""What is refused before anything is created."""

from __future__ import annotations

import re
from typing import Any

import pytest

from local.clock import ManualClock
from local.deploy.assembly import Assembly, AssemblyStack
from local.deploy.check import check_assembly
from local.deploy.documents import Json
from local.deploy.errors import TemplateError, UnsupportedAssembly
from local.deploy.handlers import Surroundings
from local.deploy.registry import default_registry, supported
from model_packages.errors import UnsupportedResource
from tests.local.deploy.doubles import DeafReceiver
from tests.local.deploy.moto_cloud import moto_cloud


def no_client(service: str) -> Any:
    raise AssertionError(f"a check needs no call to {service}")


def check(body: dict[str, Json]) -> None:
    with moto_cloud() as cloud:
        surroundings = Surroundings(clients=cloud.clients, clock=ManualClock(), receiver=DeafReceiver())
        assembly = Assembly((AssemblyStack("stack", body, {}),))
        try:
            check_assembly(assembly, registry=default_registry(), surroundings=surroundings)
        finally:
            assert cloud.writes == []


def resource(resource_type: str, **properties: Json) -> dict[str, Json]:
    return {"Resources": {"It": {"Type": resource_type, "Properties": properties}}}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (resource("AWS::EC2::Instance"), "the type of AWS::EC2::Instance (It)"),
        (resource("AWS::S3::Bucket", ObjectLockEnabled=True), "the property ObjectLockEnabled"),
        (
            resource("AWS::S3::Bucket", LifecycleConfiguration={"Rules": [{"Transitions": [{"StorageClass": "x"}]}]}),
            "the property LifecycleConfiguration.Rules.Transitions.StorageClass",
        ),
        (
            resource("AWS::SageMaker::EndpointConfig", ProductionVariants=[{"VariantName": "a", "Colour": "red"}]),
            "the property ProductionVariants.Colour",
        ),
        (
            resource("AWS::SageMaker::EndpointConfig", AsyncInferenceConfig={"OutputConfig": {}}),
            "the property AsyncInferenceConfig.OutputConfig",
        ),
        (
            resource("AWS::Lambda::Function", Code={"Fn::If": ["C", {"ImageUri": "x"}, {"ZipFile": "y"}]}),
            "the property Code.ImageUri",
        ),
        (resource("AWS::SNS::Topic", TopicName={"Fn::ToJsonString": {}}), "the intrinsic function Fn::ToJsonString"),
        (resource("AWS::SNS::Topic", TopicName={"Fn::Length": []}), "the intrinsic function Fn::Length"),
        (resource("AWS::CloudFormation::Stack"), "the type of AWS::CloudFormation::Stack (It)"),
        (
            {"Resources": {"It": {"Type": "AWS::SNS::Topic", "CreationPolicy": {}}}},
            "the resource attribute CreationPolicy",
        ),
        (
            {"Resources": {"It": {"Type": "AWS::SNS::Topic", "UpdateReplacePolicy": "Snapshot"}}},
            "UpdateReplacePolicy Snapshot",
        ),
        (
            resource("AWS::SNS::Topic") | {"Outputs": {"X": {"Value": {"Fn::GetAtt": ["It", "Colour"]}}}},
            "the attribute Colour",
        ),
        (resource("AWS::SNS::Topic") | {"Transform": "AWS::Serverless"}, "the template section Transform"),
        (
            {"Resources": {"It": {"Type": "AWS::Lambda::Alias", "UpdatePolicy": {}}}},
            "the resource attribute UpdatePolicy",
        ),
        ({"Resources": {"It": {"Type": "AWS::SNS::Topic", "DeletionPolicy": "Snapshot"}}}, "DeletionPolicy Snapshot"),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(body: dict[str, Json], detail: str) -> None:
    with pytest.raises(UnsupportedResource, match=re.escape(detail)):
        check(body)


def test_every_problem_is_named_at_once() -> None:
    body = {"Resources": {"A": {"Type": "AWS::EC2::Instance"}, "B": {"Type": "AWS::ECS::Cluster"}}}

    with pytest.raises(UnsupportedAssembly) as refusal:
        check(body)

    assert [problem.logical_id for problem in refusal.value.problems] == ["A", "B"]
    assert "AWS::ECS::Cluster" in str(refusal.value)


def test_a_reference_to_nothing_is_a_template_error() -> None:
    with pytest.raises(TemplateError, match=r"dependencies \[Nobody\] in the Resources block of the template"):
        check(resource("AWS::SNS::Topic", TopicName={"Ref": "Nobody"}))


def test_every_simulated_property_has_its_sentence() -> None:
    table = supported()

    assert {row.resource_type for row in table} >= {"AWS::SageMaker::Endpoint", "AWS::CDK::Metadata", "Custom::*"}
    for row in table:
        assert all(len(sentence.split()) > 2 for sentence in row.simulated.values()), row
        assert not row.simulated.keys() & set(row.implemented), row
