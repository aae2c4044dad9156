"""Settings are read in one place, and a wrong one is one message that says what is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk import App
from constructs import Node

from cdk.settings import PlatformSettings, check_packages, read_settings
from model_packages.errors import OperatorError
from tests.cdk.synth import CONTEXT, Workshop


def node_with(settings: Any) -> Node:
    return App(context={"flyball": settings}).node


def test_without_settings_models_ask_for_iam_and_so_does_the_documentation() -> None:
    settings = read_settings(App().node)

    assert settings == PlatformSettings()
    assert (settings.authorization, settings.documentation, settings.removal_policy) == ("iam", "authorised", "retain")


def test_cdk_json_ships_settings_that_are_accepted_and_public_documentation() -> None:
    settings = read_settings(node_with(CONTEXT["flyball"]))

    assert settings.documentation == "public"


@pytest.mark.parametrize(
    ("settings", "key", "found", "allowed"),
    [
        ({"authorization": "basic"}, "flyball.authorization", "'basic'", "'iam', 'api_key' or 'cognito'"),
        ({"throttling": {"burst": 0}}, "flyball.throttling.burst", "0", "greater than or equal to 1"),
        ({"log_retention_days": 1}, "flyball.log_retention_days", "1", "7, 14, 30, 90, 180, 365 or 731"),
        ({"prefix": "Flyball"}, "flyball.prefix", "'Flyball'", "match pattern"),
        ({"alarm_email": "nobody"}, "flyball.alarm_email", "'nobody'", "match pattern"),
        ({"stage": "dev"}, "flyball.stage", "an unknown key", "prefix, authorization"),
        ("prod", "flyball", "'prod'", "a valid dictionary"),
    ],
)
def test_a_bad_value_is_named_with_what_was_found_and_what_is_allowed(
    settings: Any, key: str, found: str, allowed: str
) -> None:
    with pytest.raises(OperatorError) as caught:
        read_settings(node_with(settings))

    (line,) = str(caught.value).splitlines()[1:]
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
        check_packages(packages, PlatformSettings(maximum_body_bytes=2_000))


def test_untrained_packages_are_one_message_with_the_command_that_helps(workshop: Workshop) -> None:
    packages = [workshop.package("flowers"), workshop.package("house_prices")]
    sources = workshop.sources(packages)
    for package in packages:
        sources.initial_artifact(package).unlink()

    with pytest.raises(OperatorError, match=r"run `flyball train flowers house_prices` first"):
        workshop.synthesize(packages)
