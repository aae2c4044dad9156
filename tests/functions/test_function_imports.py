"""Each function starts without what it does not need: boto3, its transfer library, the X-Ray SDK."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from functions.catalogue.settings import CatalogueSettings
from functions.champion.settings import to_environment
from functions.gateway.settings import GatewaySettings
from functions.monitor.settings import MonitorSettings
from tests.functions.conftest import PACKAGES

ROOT = Path(__file__).parents[2]
UNWANTED = ("boto3", "s3transfer", "aws_xray_sdk", "torch", "numpy", "requests")
GATEWAY = GatewaySettings(
    package="flowers",
    endpoint_name="flyball-flowers",
    timeout_seconds=20,
    maximum_body_bytes=1000,
    maximum_rows=4,
    captures_bucket="captures",
    label_days=30,
    capture_percent=0,
    block="time",
)
MONITOR = MonitorSettings(
    package="flowers",
    endpoint_name="flyball-flowers",
    captures_bucket="captures",
    initial_baseline_uri="s3://assets/baseline.zip",
    champion_parameter="/flyball/flowers/champion",
    gateway_log_group="gateway",
    processing_role_arn="role",
    processing_image_uri="image",
    processing_app_uri="s3://assets/app.py",
    processing_code_uri="s3://assets/code.zip",
    key_arn="key",
)
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    **GATEWAY.to_environment(),
    **CatalogueSettings(authorization="iam").to_environment(),
    **to_environment(),
    **MONITOR.to_environment(),
}


def modules_after(statement: str) -> set[str]:
    """What a fresh interpreter has loaded after `statement`."""
    with_flowers = f"import sys, model_packages; model_packages.__path__.append({str(PACKAGES)!r})"
    program = f"{with_flowers}; {statement}; print(*sys.modules)"
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(finished.stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize("function", ["gateway", "catalogue", "champion"])
def test_a_function_loads_nothing_it_does_not_need(function: str) -> None:
    modules = modules_after(f"import functions.{function}.handler")

    assert f"functions.{function}.handler" in modules
    assert modules.isdisjoint(UNWANTED)


@pytest.mark.slow
def test_the_monitor_loads_numpy_and_nothing_larger() -> None:
    modules = modules_after("import functions.monitor.handler")

    assert {"numpy", "orjson", "model_packages.flowers.schema"} <= modules
    assert modules.isdisjoint({*UNWANTED, "scipy", "pandas", "polars", "PIL", "pyspark"} - {"numpy"})


@pytest.mark.slow
def test_the_gateway_is_ready_before_its_first_request() -> None:
    modules = modules_after("import functions.gateway.handler")

    assert {"model_packages.flowers.schema", "botocore.auth", "botocore.httpsession"} <= modules


@pytest.mark.slow
def test_the_catalogue_starts_without_botocore_s_client_and_without_a_schema() -> None:
    modules = modules_after("import functions.catalogue.handler")

    assert modules.isdisjoint({"botocore.client", "model_packages.flowers.schema"})


@pytest.mark.slow
def test_the_settings_that_the_stack_imports_need_no_library() -> None:
    modules = modules_after(
        "import functions.gateway.settings, functions.catalogue.settings, functions.champion.settings, "
        "functions.monitor.settings, functions.monitor.metrics"
    )

    assert modules.isdisjoint({"pydantic", "botocore", "aws_lambda_powertools"})
