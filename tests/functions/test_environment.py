"""A function's settings come back from what the stack sets, and a wrong variable is one sentence."""

from __future__ import annotations

import pytest

from functions.catalogue.settings import CatalogueSettings
from functions.gateway.settings import GatewaySettings
from model_packages.errors import OperatorError

SETTINGS = GatewaySettings(
    package="flowers",
    endpoint_name="flyball-flowers",
    timeout_seconds=20,
    maximum_body_bytes=1000,
    maximum_rows=4,
    captures_bucket="captures",
    label_days=30,
    capture_percent=0,
    block="caller",
)


def test_the_gateway_reads_what_the_stack_sets() -> None:
    assert GatewaySettings.from_environment(SETTINGS.to_environment()) == SETTINGS


def test_the_stack_sets_what_powertools_reads() -> None:
    environment = SETTINGS.to_environment()

    assert environment["POWERTOOLS_SERVICE_NAME"] == "flowers"
    assert environment["POWERTOOLS_METRICS_NAMESPACE"] == "Flyball"


@pytest.mark.parametrize(
    "name",
    [
        "FLYBALL_PACKAGE",
        "FLYBALL_ENDPOINT_NAME",
        "FLYBALL_TIMEOUT_SECONDS",
        "FLYBALL_MAXIMUM_ROWS",
        "FLYBALL_CAPTURES_BUCKET",
    ],
)
def test_a_missing_variable_is_named(name: str) -> None:
    environment = SETTINGS.to_environment()
    del environment[name]

    with pytest.raises(OperatorError, match=f"environment variable {name}: found nothing"):
        GatewaySettings.from_environment(environment)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "twenty", "²", ""])
def test_a_number_that_is_none_is_named(value: str) -> None:
    environment = {**SETTINGS.to_environment(), "FLYBALL_TIMEOUT_SECONDS": value}

    with pytest.raises(OperatorError, match="FLYBALL_TIMEOUT_SECONDS: found"):
        GatewaySettings.from_environment(environment)


@pytest.mark.parametrize(("value", "percent"), [("0", 0), ("100", 100)])
def test_a_number_that_may_be_nothing_is_read(value: str, percent: int) -> None:
    environment = {**SETTINGS.to_environment(), "FLYBALL_CAPTURE_PERCENT": value}

    assert GatewaySettings.from_environment(environment).capture_percent == percent


def test_the_catalogue_reads_what_the_stack_sets() -> None:
    settings = CatalogueSettings(authorization="cognito", documentation="public")

    assert CatalogueSettings.from_environment(settings.to_environment()) == settings


def test_a_choice_that_is_none_is_named_with_the_choices() -> None:
    environment = {**CatalogueSettings(authorization="iam").to_environment(), "FLYBALL_AUTHORIZATION": "hope"}

    with pytest.raises(OperatorError, match="found 'hope'; allowed: iam, api_key, cognito"):
        CatalogueSettings.from_environment(environment)
