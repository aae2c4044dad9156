"""Limits of CloudFormation, IAM and API Gateway that grow with the number of packages, and the lengths of names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cdk.preflight.findings import Finding, error, warning
from cdk.preflight.installation import NAME_PROPERTIES, Installation, Stack, name_of, text_of

TEMPLATE_BYTES = 1_000_000
SECTIONS: Mapping[str, int] = {"Resources": 500, "Parameters": 200, "Outputs": 200, "Mappings": 200}
NEAR = 0.9
API_RESOURCES = 300
LONGEST_NAMES: Mapping[str, int] = {
    "AWS::CloudWatch::Alarm": 255,
    "AWS::CloudWatch::CompositeAlarm": 255,
    "AWS::DynamoDB::Table": 255,
    "AWS::Events::Rule": 64,
    "AWS::IAM::ManagedPolicy": 128,
    "AWS::IAM::Role": 64,
    "AWS::Lambda::Function": 64,
    "AWS::Logs::LogGroup": 512,
    "AWS::S3::Bucket": 63,
    "AWS::SNS::Topic": 256,
    "AWS::SQS::Queue": 80,
    "AWS::SSM::Parameter": 1011,
    "AWS::SageMaker::Endpoint": 63,
    "AWS::SageMaker::EndpointConfig": 63,
    "AWS::SageMaker::Model": 63,
    "AWS::SageMaker::ModelPackageGroup": 63,
    "AWS::StepFunctions::StateMachine": 80,
}
INLINE_POLICIES_CHARACTERS = 10_240
"""All inline policies of a role together, without white space."""
DOCUMENT_CHARACTERS: Mapping[tuple[str, str], int] = {
    ("AWS::IAM::Role", "AssumeRolePolicyDocument"): 2_048,
    ("AWS::IAM::ManagedPolicy", "PolicyDocument"): 6_144,
    ("AWS::S3::BucketPolicy", "PolicyDocument"): 20_480,
    ("AWS::KMS::Key", "KeyPolicy"): 32_768,
}

TEMPLATE_TOO_LARGE = error("template-too-large", "CloudFormation refuses a template above 1 MB.")
TOO_MANY = error("template-section-full", "CloudFormation refuses more entries of that kind in one template.")
NEARLY_FULL = warning(
    "template-nearly-full", "More than nine tenths of what CloudFormation takes are used: the next package may not fit."
)
API_FULL = error("api-resources", "API Gateway takes 300 resources an API, unless the quota has been raised.")
NAME_TOO_LONG = error("name-too-long", "The service refuses a name of that length.")
POLICY_TOO_LONG = error("policy-too-long", "IAM, S3 or KMS refuses a policy of that length.")
RULES = (TEMPLATE_TOO_LARGE, TOO_MANY, NEARLY_FULL, API_FULL, NAME_TOO_LONG, POLICY_TOO_LONG)

CHANGE_STACK = "fewer packages in this installation, or a second installation with another prefix"


def check(installation: Installation) -> Iterator[Finding]:
    """Looks at every template, name and policy."""
    for stack in installation.stacks:
        yield from _template_findings(stack)
        yield from _api_findings(stack)
        yield from _name_findings(stack)
        yield from _policy_findings(stack)


def _template_findings(stack: Stack) -> Iterator[Finding]:
    used = {"bytes": (stack.template_bytes, TEMPLATE_BYTES)}
    used |= {section: (len(stack.template.get(section, {})), most) for section, most in SECTIONS.items()}
    for kind, (count, most) in used.items():
        full = TEMPLATE_TOO_LARGE if kind == "bytes" else TOO_MANY
        rule = full if count > most else NEARLY_FULL
        if count > most * NEAR:
            yield rule.broken(
                f"stack {stack.name}, {kind}",
                found=f"{count:,}",
                allowed=f"{most:,}",
                change=CHANGE_STACK,
                package=stack.package_name,
            )


def _api_findings(stack: Stack) -> Iterator[Finding]:
    count = sum(1 for _ in stack.resources("AWS::ApiGateway::Resource"))
    if count > API_RESOURCES:
        yield API_FULL.broken(
            f"stack {stack.name}, AWS::ApiGateway::Resource",
            found=f"{count}",
            allowed=f"{API_RESOURCES}",
            change=CHANGE_STACK,
        )


def _name_findings(stack: Stack) -> Iterator[Finding]:
    for resource in stack.resources(*NAME_PROPERTIES):
        name, longest = name_of(resource, stack), LONGEST_NAMES[resource.type]
        if name is not None and len(name) > longest:
            yield NAME_TOO_LONG.broken(
                resource.where,
                found=f"{name!r}, {len(name)} characters",
                allowed=f"{longest} characters",
                change="a shorter prefix in cdk.json, or a shorter name of the package",
                package=stack.package_name,
            )


def _policy_findings(stack: Stack) -> Iterator[Finding]:
    for resource in stack.resources():
        for (resource_type, key), most in DOCUMENT_CHARACTERS.items():
            if resource.type == resource_type and key in resource.properties:
                size = _characters(resource.properties[key], stack)
                yield from _too_long(stack, f"{resource.where}, {key}", size=size, most=most)
    for role in stack.resources("AWS::IAM::Role"):
        documents = [policy["PolicyDocument"] for policy in role.properties.get("Policies", [])]
        documents += _attached(stack, role.logical_id)
        size = sum(_characters(document, stack) for document in documents)
        yield from _too_long(stack, f"{role.where}, inline policies", size=size, most=INLINE_POLICIES_CHARACTERS)


def _attached(stack: Stack, role: str) -> list[Any]:
    return [
        policy.properties["PolicyDocument"]
        for policy in stack.resources("AWS::IAM::Policy")
        if {"Ref": role} in policy.properties.get("Roles", [])
    ]


def _too_long(stack: Stack, where: str, *, size: int, most: int) -> Iterator[Finding]:
    if size > most:
        yield POLICY_TOO_LONG.broken(
            where,
            found=f"{size:,} characters",
            allowed=f"{most:,} characters",
            change=f"name resources by a common prefix in place of one by one, or {CHANGE_STACK}",
            package=stack.package_name,
        )


def _characters(document: Any, stack: Stack) -> int:
    return len(re.sub(r"\s", "", json.dumps(_rendered(document, stack))))


def _rendered(value: Any, stack: Stack) -> Any:
    """The document with each intrinsic function as the text that it will be."""
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)) in ("Ref", "Fn::GetAtt", "Fn::Join", "Fn::Sub", "Fn::ImportValue"):
            return text_of(value, stack)
        return {key: _rendered(child, stack) for key, child in value.items()}
    return [_rendered(child, stack) for child in value] if isinstance(value, list) else value
