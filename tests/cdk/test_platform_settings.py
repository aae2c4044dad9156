"""Settings are read in one place, and a wrong one is one message that says what is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk import App
from constructs import Node

from cdk.settings import Environment, Instances, check_packages, read_settings
from model_packages.errors import OperatorError
from tests.cdk.synth import CONTEXT, EXISTING_VPC, Workshop


def node_with(settings: Any, **context: Any) -> Node:
    return App(context={"flyball": settings, **context}).node


def settings_of(environment: str, **settings: Any) -> Environment:
    """An environment of cdk.json with these settings in its table, and somebody who is told about alarms."""
    flyball = {**CONTEXT["flyball"], "alarm_email": "watch@example.com", "environments": {environment: settings}}
    return read_settings(node_with(flyball, environment=environment))


def problems_of(node: Node) -> list[str]:
    with pytest.raises(OperatorError) as caught:
        read_settings(node)
    return str(caught.value).splitlines()[1:]


def test_without_settings_it_is_dev_and_models_ask_for_iam_and_so_does_the_documentation() -> None:
    settings = read_settings(App().node)

    assert (settings.name, settings.prefix) == ("dev", "flyball")
    assert (settings.authorization, settings.documentation) == ("iam", "authorised")


def test_cdk_json_ships_settings_that_are_accepted_and_public_documentation() -> None:
    settings = read_settings(App(context=CONTEXT).node)

    assert (settings.name, settings.documentation) == ("dev", "public")


@pytest.mark.parametrize(
    ("environment", "removal_policy", "instances", "termination_protection", "log_retention_days"),
    [
        ("dev", "destroy", Instances(at_most=1), False, 90),
        ("staging", "retain", Instances(), False, 90),
        ("prod", "retain", Instances(at_least=2), True, 365),
    ],
)
def test_an_environment_has_defaults_of_its_own(
    environment: str,
    removal_policy: str,
    instances: Instances,
    termination_protection: bool,  # noqa: FBT001
    log_retention_days: int,
) -> None:
    settings = settings_of(environment)

    assert settings.removal_policy == removal_policy
    assert settings.instances == instances
    assert settings.termination_protection is termination_protection
    assert settings.log_retention_days == log_retention_days


def test_a_table_overrides_what_is_for_all_key_by_key_and_that_the_defaults() -> None:
    shared = {"log_retention_days": 30, "throttling": {"rate_per_second": 7, "burst": 8}}
    flyball = {**shared, "environments": {"staging": {"throttling": {"burst": 9}}}}

    settings = read_settings(node_with(flyball, environment="staging"))

    assert settings.log_retention_days == 30
    assert (settings.throttling.rate_per_second, settings.throttling.burst) == (7, 9)
    assert settings.prefix == "flyball-staging"


def test_an_environment_that_is_not_known_is_refused_with_those_that_are() -> None:
    assert problems_of(node_with({}, environment="qa")) == ["  environment: found 'qa'; allowed: dev, staging, prod"]


def test_a_mistake_in_a_table_that_is_not_chosen_is_found_too() -> None:
    flyball = {"environments": {"prod": {"waf": "sometimes", "vpc": {"mode": "create", "zones": 2}}}}

    waf, zones = problems_of(node_with(flyball))

    assert waf.startswith("  flyball.environments.prod.waf: found 'sometimes'")
    assert zones.startswith("  flyball.environments.prod.vpc.zones: found an unknown key; allowed: mode, cidr")


def test_a_mistake_for_all_is_one_line_however_many_environments_there_are() -> None:
    (line,) = problems_of(node_with({"waf": "sometimes", "environments": {"dev": {}, "staging": {}, "prod": {}}}))

    assert line.startswith("  flyball.waf: ")


PLACE = {"account": "123456789012", "region": "eu-west-1"}


@pytest.mark.parametrize(
    ("tables", "lines"),
    [
        ({"dev": {}, "staging": {"prefix": "flyball"}}, 1),
        ({"dev": PLACE, "staging": {"prefix": "flyball", **PLACE}}, 1),
        ({"dev": PLACE, "staging": {"prefix": "flyball"}}, 1),
        ({"dev": PLACE, "staging": {"prefix": "flyball", **PLACE, "region": "eu-west-2"}}, 0),
        ({"dev": PLACE, "staging": {"prefix": "flyball", **PLACE, "account": "210987654321"}}, 0),
    ],
)
def test_two_environments_that_may_meet_have_a_prefix_each(tables: dict[str, Any], lines: int) -> None:
    node = node_with({"environments": tables})

    if lines:
        (line,) = problems_of(node)
        assert "found the prefix 'flyball' for dev and staging" in line
    else:
        assert read_settings(node).account == PLACE["account"]


def test_a_package_may_not_take_the_name_of_another_environments_stack(workshop: Workshop) -> None:
    packages = [workshop.package("staging_platform"), workshop.package("stages")]
    settings = read_settings(App(context=CONTEXT).node)

    with pytest.raises(OperatorError, match="staging_platform: its stack would be flyball-staging-platform") as caught:
        check_packages(packages, settings)

    assert "stages" not in str(caught.value)


def test_prod_asks_for_somebody_who_is_told_about_alarms() -> None:
    flyball: dict[str, Any] = {"environments": {"prod": {}}}
    told = {"environments": {"prod": {"alarm_url": "https://events.example.com/flyball"}}}

    (line,) = problems_of(node_with(flyball, environment="prod"))

    assert line.endswith("allowed: alarm_email, alarm_url or alarm_topic_arn")
    assert read_settings(node_with(told, environment="prod")).alarm_url is not None


def test_the_local_cloud_has_no_account_of_its_own_and_nobody_to_tell() -> None:
    flyball = {"environments": {"prod": PLACE}}

    settings = read_settings(node_with(flyball, **{"environment": "prod", "local-cloud": "true"}))

    assert (settings.account, settings.region, settings.place) == (None, None, None)
    assert settings.termination_protection


@pytest.mark.parametrize(
    ("environment", "instances"), [("dev", Instances()), ("staging", Instances()), ("prod", Instances(at_least=2))]
)
def test_the_local_cloud_saves_no_instances_because_they_cost_nothing_there(
    environment: str, instances: Instances
) -> None:
    settings = read_settings(node_with({}, **{"environment": environment, "local-cloud": True}))

    assert settings.instances == instances


@pytest.mark.parametrize(
    ("settings", "key", "found", "allowed"),
    [
        ({"authorization": "basic"}, "flyball.authorization", "'basic'", "'iam', 'api_key' or 'cognito'"),
        ({"throttling": {"burst": 0}}, "flyball.throttling.burst", "0", "greater than or equal to 1"),
        ({"log_retention_days": 1}, "flyball.log_retention_days", "1", "7, 14, 30, 90, 180, 365 or 731"),
        ({"prefix": "Flyball"}, "flyball.prefix", "'Flyball'", "match pattern"),
        ({"alarm_email": "nobody"}, "flyball.alarm_email", "'nobody'", "match pattern"),
        ({"stage": "dev"}, "flyball.stage", "an unknown key", "prefix, instances, authorization"),
        ({"account": "123456789012"}, "flyball", "this table", "account and region, or neither"),
        ({"account": "12", "region": "eu-west-1"}, "flyball.account", "'12'", "match pattern"),
        ({"instances": {"at_least": 3, "at_most": 2}}, "flyball.instances", "this table", "as large as at_least (3)"),
        ({"vpc": "create"}, "flyball.vpc", "'create'", "a valid dictionary"),
        ({"vpc": {"mode": "create", "cidr": "10.0.0.1/16"}}, "flyball.vpc", "this table", "has host bits set"),
        ({"vpc": {"mode": "create", "cidr": "10.0.0.0/8"}}, "flyball.vpc", "this table", "from /16 to /24"),
        ({"vpc": {"mode": "existing"}}, "flyball.vpc", "this table", "subnet_ids of two subnets or more"),
        ({"vpc": {**EXISTING_VPC, "mode": "none"}}, "flyball.vpc", "this table", "no subnet_ids"),
        ({"monthly_budget_usd": 0}, "flyball.monthly_budget_usd", "0", "greater than 0"),
        ({"alarm_topic_arn": "pager"}, "flyball.alarm_topic_arn", "'pager'", "match pattern"),
        ("prod", "flyball", "'prod'", "a valid dictionary"),
    ],
)
def test_a_bad_value_is_named_with_what_was_found_and_what_is_allowed(
    settings: Any, key: str, found: str, allowed: str
) -> None:
    (line,) = problems_of(node_with(settings))

    assert line.startswith(f"  {key}: found {found}")
    assert allowed in line


def test_all_bad_values_are_in_one_message() -> None:
    with pytest.raises(OperatorError) as caught:
        read_settings(node_with({"waf": "sometimes", "maximum_body_bytes": 0}))

    assert "flyball.waf" in str(caught.value)
    assert "flyball.maximum_body_bytes" in str(caught.value)


def test_a_package_may_not_accept_more_than_the_platform(workshop: Workshop) -> None:
    packages = [workshop.package("flowers", endpoint={"maximum_body_bytes": 2_000}), workshop.package("small")]

    with pytest.raises(OperatorError, match=r"small/package\.toml: endpoint\.maximum_body_bytes is 1048576"):
        check_packages(packages, settings_of("dev", maximum_body_bytes=2_000))


def test_untrained_packages_are_one_message_with_the_command_that_helps(workshop: Workshop) -> None:
    packages = [workshop.package("flowers"), workshop.package("house_prices")]
    sources = workshop.sources(packages)
    for package in packages:
        sources.initial_artifact(package).unlink()

    with pytest.raises(OperatorError, match=r"run `flyball train flowers house_prices` first"):
        workshop.synthesize(packages)
