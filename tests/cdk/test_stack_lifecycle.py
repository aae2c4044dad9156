"""Packages come and go, stacks change in any order, and CloudFormation never has to refuse."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from model_packages.discovery import discover
from tests.cdk.synth import Assembly, Workshop, sample_packages, walk

PHYSICAL_NAMES: Mapping[tuple[str, str], str] = {
    ("AWS::SageMaker::Endpoint", "EndpointName"): "callers, alarms and scaling know it; nothing else replaces it",
    ("AWS::SageMaker::ModelPackageGroup", "ModelPackageGroupName"): "training registers versions under it",
    ("AWS::Lambda::Function", "FunctionName"): "the API's route names the gateway; nothing else replaces it",
    ("AWS::Lambda::LayerVersion", "LayerName"): "what replaces a version is the next one under that name",
    ("AWS::CloudWatch::Alarm", "AlarmName"): "people read it in a message; nothing else replaces it",
    ("AWS::CloudWatch::CompositeAlarm", "AlarmName"): "people read it in a message; nothing else replaces it",
    ("AWS::CloudWatch::Dashboard", "DashboardName"): "people look for it by the endpoint's name",
    ("AWS::Logs::LogGroup", "LogGroupName"): "SageMaker and Step Functions want names that begin with their own",
    ("AWS::StepFunctions::StateMachine", "StateMachineName"): "its function knows it; only its type replaces it, too",
    ("AWS::ApiGateway::Stage", "StageName"): "a part of the URL",
    ("AWS::ApplicationAutoScaling::ScalingPolicy", "PolicyName"): "required; it goes with its target",
    ("AWS::ApplicationAutoScaling::ScalableTarget", "ResourceId"): "the endpoint's variant; required",
}
"""Names that a template gives although a change of them replaces the resource, and why each is safe."""


def exports(assembly: Assembly) -> set[str]:
    outputs = assembly.template()["Outputs"].values()
    return {output["Export"]["Name"] for output in outputs if "Export" in output}


def imports(assembly: Assembly, stack: str) -> set[str]:
    nodes = walk(assembly.template(stack))
    return {node["Fn::ImportValue"] for node in nodes if isinstance(node, dict) and "Fn::ImportValue" in node}


def named(assembly: Assembly, stack: str) -> Iterator[tuple[str, str]]:
    """Properties that identify a resource and whose change replaces it, where the template sets them to a text."""
    for resource in assembly.template(stack)["Resources"].values():
        resource_type: str = resource["Type"]
        if not resource_type.startswith("AWS::"):
            continue
        schema: dict[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource_type).schema
        for pointer in schema.get("createOnlyProperties", []):
            name = pointer.removeprefix("/properties/")
            if name.endswith(("Name", "ResourceId")) and isinstance(resource["Properties"].get(name), str):
                yield resource_type, name


def test_two_synths_give_the_same_templates(workshop: Workshop) -> None:
    packages = sample_packages(workshop)

    first = workshop.synthesize(packages, out="first")
    second = workshop.synthesize(packages, out="second")

    assert first.stacks == second.stacks == ["flowers", "house-prices", "platform"]
    assert all(first.template(stack) == second.template(stack) for stack in first.stacks)


def test_the_platform_exports_the_same_with_and_without_packages(workshop: Workshop, assembly: Assembly) -> None:
    empty = workshop.synthesize([])

    assert exports(empty) == exports(assembly)


def test_a_model_imports_nothing_that_goes_when_its_package_does(workshop: Workshop, assembly: Assembly) -> None:
    empty = workshop.synthesize([])

    assert imports(assembly, "flowers")
    assert imports(assembly, "flowers") <= exports(empty)


def test_every_export_is_imported_by_somebody(assembly: Assembly) -> None:
    assert exports(assembly) == imports(assembly, "flowers") | imports(assembly, "house-prices")


def test_the_platform_imports_nothing(assembly: Assembly) -> None:
    assert imports(assembly, "platform") == set()


def test_a_models_stack_does_not_depend_on_which_other_packages_there_are(workshop: Workshop) -> None:
    flowers, house_prices = sample_packages(workshop)

    together = workshop.synthesize([flowers, house_prices], out="together")
    alone = workshop.synthesize([flowers], out="alone")

    assert alone.template("flowers") == together.template("flowers")


def test_what_is_replaced_has_no_name_of_ours(assembly: Assembly) -> None:
    found = {name for stack in assembly.stacks for name in named(assembly, stack)}

    assert found <= PHYSICAL_NAMES.keys()


def test_an_endpoint_config_and_a_model_are_never_named(assembly: Assembly) -> None:
    assert "EndpointConfigName" not in assembly.only("AWS::SageMaker::EndpointConfig", "flowers")
    assert "ModelName" not in assembly.only("AWS::SageMaker::Model", "flowers")


def test_stacks_have_the_names_that_the_command_line_knows(assembly: Assembly) -> None:
    manifest = json.loads((assembly.folder / "manifest.json").read_text(encoding="utf-8"))
    artifacts = manifest["artifacts"]
    stacks = {name for name, artifact in artifacts.items() if artifact["type"] == "aws:cloudformation:stack"}

    assert stacks == {"flyball-platform", "flyball-flowers", "flyball-house-prices"}
    assert artifacts["flyball-flowers"]["properties"]["tags"].items() >= {("model-package", "flowers")}


def test_models_are_deployed_after_the_platform(assembly: Assembly) -> None:
    manifest = json.loads((assembly.folder / "manifest.json").read_text(encoding="utf-8"))

    flowers, platform = (manifest["artifacts"][f"flyball-{stack}"] for stack in ("flowers", "platform"))

    assert "flyball-platform" in flowers["dependencies"]
    assert "flyball-flowers" not in platform["dependencies"]


def test_the_packages_of_this_checkout_synthesize_without_running_their_code(workshop: Workshop) -> None:
    packages = discover()
    for package in packages:
        workshop.train(package)
    imported = set(sys.modules)

    assembly = workshop.synthesize(packages)

    assert not {name for name in set(sys.modules) - imported if name.startswith("model_packages.")}
    assert assembly.stacks == sorted(["platform", *(package.aws_name for package in packages)])
