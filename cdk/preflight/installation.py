"""A synthesized installation as the checks and the cost table see it: templates, the packages behind them, and the
artifacts that they would serve. Read from cdk.out, so that neither needs the CDK.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from container.cuda import DOCKERFILE, cuda_version
from model_packages.discovery import ModelPackage

PACKAGE_TAG = "model-package"
BASELINE = "baseline.json"

Json: TypeAlias = Mapping[str, Any]

PSEUDO_PARAMETERS: Mapping[str, str] = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "ap-southeast-2",
    "AWS::StackName": "",
    "AWS::URLSuffix": "amazonaws.com",
}
"""Stand-ins of the usual length where a template leaves the value open; the region is one of the longest names."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a template."""

    stack: str
    logical_id: str
    type: str
    properties: Json

    @property
    def where(self) -> str:
        """The resource as a finding names it."""
        return f"stack {self.stack}, {self.logical_id} ({self.type})"


@dataclass(frozen=True, slots=True)
class Stack:
    """One template, and the package that it deploys, if it is a package's stack."""

    name: str
    template: Json
    template_bytes: int
    package: ModelPackage | None = None
    region: str | None = None
    """None where the template may go to any region."""

    @property
    def package_name(self) -> str | None:
        return self.package.name if self.package else None

    def resources(self, *types: str) -> Iterator[Resource]:
        """The resources of those types, or all of them, in the template's order."""
        for logical_id, resource in self.template.get("Resources", {}).items():
            if not types or resource["Type"] in types:
                yield Resource(self.name, logical_id, resource["Type"], resource.get("Properties", {}))

    def resource(self, logical_id: str) -> Resource | None:
        """The resource of that logical id, or None."""
        found = self.template.get("Resources", {}).get(logical_id)
        return found and Resource(self.name, logical_id, found["Type"], found.get("Properties", {}))


@dataclass(frozen=True, slots=True)
class Installation:
    """Every stack of one synth. `artifacts` is the first version's model.tar.gz by package."""

    stacks: tuple[Stack, ...]
    artifacts: Mapping[str, Path]
    cuda: str
    """The CUDA version that the image is built on."""
    fields: Mapping[str, int] = field(default_factory=dict)
    """How many fields of requests and answers the first version's baseline has, by package."""

    @property
    def packages(self) -> Iterator[tuple[Stack, ModelPackage]]:
        """Each package with its stack."""
        return ((stack, stack.package) for stack in self.stacks if stack.package is not None)


def read_installation(assembly: Path, *, packages: Iterable[ModelPackage], models: Path) -> Installation:
    """What lies in `assembly` (cdk.out). `models` is the folder that training leaves versions in."""
    known = {package.name: package for package in packages}
    stacks = tuple(_stacks(assembly, known))
    return Installation(
        stacks=stacks,
        artifacts={name: path for name in known if (path := models / name / "model.tar.gz").is_file()},
        cuda=cuda_version(DOCKERFILE.read_text(encoding="utf-8")),
        fields={name: _fields(path) for name in known if (path := models / name / "baseline" / BASELINE).is_file()},
    )


def _fields(baseline: Path) -> int:
    return len(json.loads(baseline.read_bytes()).get("fields", []))


def _stacks(assembly: Path, packages: Mapping[str, ModelPackage]) -> Iterator[Stack]:
    manifest = json.loads((assembly / "manifest.json").read_bytes())
    for name, artifact in manifest["artifacts"].items():
        properties = artifact.get("properties", {})
        if artifact["type"] == "cdk:cloud-assembly":
            yield from _stacks(assembly / properties["directoryName"], packages)
        elif artifact["type"] == "aws:cloudformation:stack":
            content = (assembly / properties["templateFile"]).read_bytes()
            _, _, region = artifact["environment"].removeprefix("aws://").partition("/")
            yield Stack(
                name=properties.get("stackName", name),
                template=json.loads(content),
                template_bytes=len(content),
                package=packages.get(properties.get("tags", {}).get(PACKAGE_TAG, "")),
                region=None if region.startswith("unknown") else region,
            )


def text_of(value: Any, stack: Stack) -> str:
    """A value of a template as text: exact where the template says it, of about the right length where a reference
    stands. A reference to a resource of the stack becomes its name, if it has one, or `<LogicalId>`.
    """
    if not isinstance(value, dict):
        return str(value)
    text = _reference_text(value, stack)
    if text is not None:
        return text
    match value:
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(text_of(part, stack) for part in parts)
        case {"Fn::If": [_, *choices]}:
            return max((text_of(choice, stack) for choice in choices), key=len)
    return f"<{next(iter(value), '')}>"


def walk(value: Any) -> Iterator[Any]:
    """`value` and everything in it."""
    yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(child)


NAME_PROPERTIES: Mapping[str, str] = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::CompositeAlarm": "AlarmName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SSM::Parameter": "Name",
    "AWS::SageMaker::Endpoint": "EndpointName",
    "AWS::SageMaker::EndpointConfig": "EndpointConfigName",
    "AWS::SageMaker::Model": "ModelName",
    "AWS::SageMaker::ModelPackageGroup": "ModelPackageGroupName",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
"""The property in which a type says its own name; without it, CloudFormation makes one up."""


def name_of(resource: Resource, stack: Stack) -> str | None:
    """The name that a template gives a resource, or None where CloudFormation makes one up."""
    name = resource.properties.get(NAME_PROPERTIES.get(resource.type, ""))
    return None if name is None else text_of(name, stack)


def _reference_text(value: Json, stack: Stack) -> str | None:
    """What a function that names something stands for; None for one that does not."""
    match value:
        case {"Ref": str(target)} | {"Fn::GetAtt": [str(target), *_]}:
            return _reference(target, stack)
        case {"Fn::GetAtt": str(attribute)}:
            return _reference(attribute.partition(".")[0], stack)
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), *_]}:
            return re.sub(r"\$\{([^!}][^}]*)\}", lambda name: _reference(name[1].partition(".")[0], stack), text)
        case {"Fn::ImportValue": str(name)}:
            return f"<{name}>"
    return None


def _reference(target: str, stack: Stack) -> str:
    if target in PSEUDO_PARAMETERS:
        return PSEUDO_PARAMETERS[target] or stack.name
    resource = stack.resource(target)
    name = name_of(resource, stack) if resource else None
    return name or f"<{target}>"
