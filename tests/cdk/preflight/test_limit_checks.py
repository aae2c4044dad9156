"""Limits that a growing installation runs into: environments, templates, names and policies."""

from __future__ import annotations

from typing import Any

import pytest

from cdk.preflight import environments, limits
from cdk.preflight.installation import Installation
from tests.cdk.preflight.templates import Flowers, Json, stack


def ids(check: Any, resources: Json, **sections: Any) -> list[str]:
    """What a check says of a template of those resources."""
    template = {"Resources": resources, **sections}
    return [finding.rule.id for finding in check(Installation(stacks=(stack(template),), artifacts={}, cuda="13.0"))]


def resource(resource_type: str, **properties: Any) -> Json:
    return {"Type": resource_type, "Properties": properties}


@pytest.mark.parametrize(("length", "rules"), [(4_000, []), (4_096, ["function-environment"])])
def test_the_variables_of_a_function_have_four_kilobytes(length: int, rules: list[str]) -> None:
    function = resource("AWS::Lambda::Function", Environment={"Variables": {"KEY": "x" * length}})

    assert ids(environments.check, {"Function": function}) == rules


@pytest.mark.parametrize(
    ("variables", "rules"),
    [
        ({"KEY": "x" * 1024}, []),
        ({"KEY": "x" * 1025}, ["container-variable"]),
        ({"K" * 1025: "x"}, ["container-variable"]),
        ({f"KEY{index}": "x" * 1000 for index in range(40)}, ["container-environment"]),
    ],
)
def test_the_variables_of_a_container_have_sagemakers_limits(variables: Json, rules: list[str]) -> None:
    choice = {"Fn::If": ["ChampionExists", {"ModelPackageName": "x"}, {"Environment": variables}]}
    model = resource("AWS::SageMaker::Model", PrimaryContainer=choice)

    assert ids(environments.check, {"Model": model}) == rules


def test_a_reference_counts_with_about_the_length_that_it_will_have() -> None:
    region = resource(
        "AWS::Lambda::Function", Environment={"Variables": {"K": {"Fn::Join": ["", [{"Ref": "AWS::Region"}] * 300]}}}
    )

    assert ids(environments.check, {"Function": region}) == ["function-environment"]


@pytest.mark.parametrize(
    ("count", "rules"), [(450, []), (451, ["template-nearly-full"]), (501, ["template-section-full"])]
)
def test_a_template_holds_five_hundred_resources(count: int, rules: list[str]) -> None:
    handles = {f"R{index}": resource("AWS::CloudFormation::WaitConditionHandle") for index in range(count)}

    assert ids(limits.check, handles) == rules


def test_a_template_holds_a_megabyte() -> None:
    handle = {"Handle": resource("AWS::CloudFormation::WaitConditionHandle")}

    assert ids(limits.check, handle, Description="x" * 1_000_000) == ["template-too-large"]


def test_an_api_holds_three_hundred_resources() -> None:
    paths = {f"Path{index}": resource("AWS::ApiGateway::Resource") for index in range(301)}

    assert ids(limits.check, paths) == ["api-resources"]


@pytest.mark.parametrize(
    ("resource_type", "key", "longest"),
    [
        ("AWS::SageMaker::Endpoint", "EndpointName", 63),
        ("AWS::Lambda::Function", "FunctionName", 64),
        ("AWS::S3::Bucket", "BucketName", 63),
        ("AWS::IAM::Role", "RoleName", 64),
        ("AWS::SSM::Parameter", "Name", 1011),
    ],
)
def test_a_name_has_the_length_that_its_service_takes(resource_type: str, key: str, longest: int) -> None:
    assert ids(limits.check, {"It": resource(resource_type, **{key: "x" * longest})}) == []
    assert ids(limits.check, {"It": resource(resource_type, **{key: "x" * (longest + 1)})}) == ["name-too-long"]


def test_the_inline_policies_of_a_role_count_together() -> None:
    def policy(characters: int) -> Json:
        return {"PolicyDocument": {"Statement": [{"Resource": "x" * characters}]}}

    role = resource("AWS::IAM::Role", Policies=[policy(6_000)])
    attached = resource("AWS::IAM::Policy", Roles=[{"Ref": "Role"}], **policy(6_000))

    assert ids(limits.check, {"Role": role}) == []
    assert ids(limits.check, {"Role": role, "More": attached}) == ["policy-too-long"]


def test_white_space_of_a_policy_does_not_count() -> None:
    document = {"Statement": [{"Resource": "x " * 3_000}]}

    assert ids(limits.check, {"Policy": resource("AWS::IAM::ManagedPolicy", PolicyDocument=document)}) == []


def test_the_agreed_templates_are_far_from_every_limit(flowers: Flowers) -> None:
    installation = flowers.installation()

    assert [*limits.check(installation), *environments.check(installation)] == []
