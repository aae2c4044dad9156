"""The packages as `dev`, `staging` and `prod` run them: how many instances, what is kept, who is told, and where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdk.settings import Instances
from cdk.sizing import sized
from local.clock import ManualClock
from local.deploy.assembly import read_assembly
from local.deploy.check import check_assembly
from local.deploy.handlers import Surroundings
from local.deploy.registry import default_registry
from model_packages.contract import PackageConfig
from model_packages.discovery import ModelPackage
from tests.cdk.synth import CONFIG, VARIATIONS, Assembly, Workshop, sample_packages
from tests.local.deploy.doubles import DeafReceiver
from tests.local.deploy.moto_cloud import moto_cloud

PAGER = "arn:aws:sns:us-east-1:210987654321:pager"


def package_of(minimum: int, maximum: int, strategy: str) -> ModelPackage:
    endpoint = {"minimum_instances": minimum, "maximum_instances": maximum}
    config = PackageConfig.model_validate({**CONFIG, "endpoint": endpoint, "rollout": {"strategy": strategy}})
    return ModelPackage(name="flowers", path=Path(), config=config)


def stack_artifact(assembly: Assembly, name: str) -> dict[str, Any]:
    manifest = json.loads((assembly.folder / "manifest.json").read_text(encoding="utf-8"))
    artifact: dict[str, Any] = manifest["artifacts"][name]
    return artifact


@pytest.mark.parametrize(
    ("declared", "bounds", "expected"),
    [
        ((2, 4, "canary"), Instances(at_most=1), (1, 1, "all_at_once")),
        ((4, 8, "linear"), Instances(at_most=2), (2, 2, "linear")),
        ((1, 3, "all_at_once"), Instances(at_least=2), (2, 3, "all_at_once")),
        ((1, 1, "all_at_once"), Instances(at_least=2), (2, 2, "all_at_once")),
        ((2, 4, "canary"), Instances(), (2, 4, "canary")),
        ((2, 4, "canary"), Instances(at_least=2, at_most=3), (2, 3, "canary")),
    ],
)
def test_an_environment_bounds_instances_and_the_rollout_follows(
    declared: tuple[int, int, str], bounds: Instances, expected: tuple[int, int, str]
) -> None:
    package = package_of(*declared)

    config = sized(package, bounds).config

    assert (config.endpoint.minimum_instances, config.endpoint.maximum_instances, config.rollout.strategy) == expected
    untouched = {"endpoint", "rollout"}
    assert config.model_dump(exclude=untouched) == package.config.model_dump(exclude=untouched)


def test_dev_has_one_instance_that_neither_scales_nor_shifts(variations: dict[str, Assembly]) -> None:
    dev = variations["dev"]

    (variant,) = dev.only("AWS::SageMaker::EndpointConfig", "flowers")["ProductionVariants"]
    rollout = dev.only("AWS::SageMaker::Endpoint", "flowers")["DeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert variant["InitialInstanceCount"] == 1
    assert dev.resources("AWS::ApplicationAutoScaling::ScalableTarget", "flowers") == {}
    assert rollout["TrafficRoutingConfiguration"]["Type"] == "ALL_AT_ONCE"


def test_prod_has_two_instances_of_what_declares_one(variations: dict[str, Assembly]) -> None:
    (variant,) = variations["prod"].only("AWS::SageMaker::EndpointConfig", "house-prices")["ProductionVariants"]

    assert variant["InitialInstanceCount"] == 2


def test_dev_keeps_nothing_that_its_stacks_made(variations: dict[str, Assembly]) -> None:
    resources = variations["dev"].template()["Resources"].values()

    kept = {resource["Type"] for resource in resources if resource.get("DeletionPolicy", "Delete") != "Delete"}

    assert kept == {"AWS::IAM::Role", "AWS::ApiGateway::Account"}  # the account's own, shared with other APIs


@pytest.mark.parametrize("stack", ["flyball-platform", "flyball-flowers"])
def test_only_prods_stacks_cannot_be_deleted(variations: dict[str, Assembly], stack: str) -> None:
    assert stack_artifact(variations["prod"], stack)["properties"]["terminationProtection"] is True
    assert not stack_artifact(variations["dev"], stack)["properties"].get("terminationProtection")


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_stacks_are_tagged_with_their_environment(variations: dict[str, Assembly], name: str) -> None:
    tags = stack_artifact(variations[name], "flyball-flowers")["properties"]["tags"]

    assert tags == {"application": "flyball", "environment": name, "model-package": "flowers"}


def test_alarms_go_to_the_installations_topic_and_to_the_pagers(
    assembly: Assembly, variations: dict[str, Assembly]
) -> None:
    alarms = list(telling(variations["prod"]))

    assert len(alarms) == len(list(telling(assembly))) == 2 + 4  # pages, tickets, and each notice
    assert [alarm["AlarmActions"][1:] for alarm in alarms] == [[PAGER]] * len(alarms)
    assert [len(alarm["AlarmActions"]) for alarm in telling(assembly)] == [1] * len(alarms)


def telling(assembly: Assembly) -> Iterator[dict[str, Any]]:
    """The alarms that tell somebody."""
    for resource_type in ("AWS::CloudWatch::CompositeAlarm", "AWS::CloudWatch::Alarm"):
        alarms = assembly.resources(resource_type, "flowers").values()
        yield from (alarm for alarm in alarms if "AlarmActions" in alarm)


def test_an_alarm_url_is_subscribed(workshop: Workshop) -> None:
    told = workshop.synthesize([], alarm_url="https://events.example.com/flyball")

    told.assertions().has_resource_properties(
        "AWS::SNS::Subscription", {"Protocol": "https", "Endpoint": "https://events.example.com/flyball"}
    )


def test_an_account_and_a_region_bind_every_stack(workshop: Workshop) -> None:
    bound = workshop.synthesize(sample_packages(workshop), account="210987654321", region="eu-west-1")

    places = {stack_artifact(bound, f"flyball-{stack}")["environment"] for stack in bound.stacks}

    assert places == {"aws://210987654321/eu-west-1"}


@pytest.mark.parametrize("name", VARIATIONS)
def test_the_local_cloud_deploys_everything_of_every_environment(variations: dict[str, Assembly], name: str) -> None:
    found = read_assembly(variations[name].folder)

    with moto_cloud() as cloud:
        surroundings = Surroundings(clients=cloud.clients, clock=ManualClock(), receiver=DeafReceiver())
        check_assembly(found, registry=default_registry(), surroundings=surroundings)
