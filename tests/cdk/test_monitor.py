"""What watches a model: when it runs, what it is told, what it is packed with, and what it leaves to SageMaker."""

from __future__ import annotations

import json
import re
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from cdk.spark import REGISTRIES, TAG, write_code
from functions.monitor.settings import MonitorSettings
from model_packages.errors import OperatorError
from tests.cdk.synth import Assembly, Workshop, walk
from tests.cdk.template_snapshots import spelled

CHANGES = {
    "source": ["aws.sagemaker"],
    "detail-type": ["SageMaker Endpoint State Change"],
    "detail": {"EndpointName": ["flyball-flowers"]},
}


def rules(assembly: Assembly, stack: str = "flowers") -> dict[str, dict[str, Any]]:
    """The rules by what starts them."""
    found = assembly.resources("AWS::Events::Rule", stack)
    return {
        "schedule" if "ScheduleExpression" in rule else "event": rule
        for name, rule in found.items()
        if name.startswith("Monitor")
    }


@pytest.mark.parametrize(
    ("minutes", "expression"),
    [(1, "rate(1 minute)"), (45, "rate(45 minutes)"), (60, "rate(1 hour)"), (1440, "rate(1 day)")],
)
def test_it_runs_once_a_window(workshop: Workshop, minutes: int, expression: str) -> None:
    assembly = workshop.synthesize([workshop.package(monitor={"window_minutes": minutes})])

    assert rules(assembly)["schedule"]["ScheduleExpression"] == expression


def test_it_hears_of_changes_of_its_own_endpoint(assembly: Assembly) -> None:
    assert rules(assembly)["event"]["EventPattern"] == CHANGES


def test_only_its_two_rules_may_start_it(assembly: Assembly) -> None:
    names = {name for name in assembly.resources("AWS::Events::Rule", "flowers") if name.startswith("Monitor")}
    permissions = assembly.resources("AWS::Lambda::Permission", "flowers").values()

    its_own = [each for each in permissions if each["FunctionName"]["Fn::GetAtt"][0].startswith("MonitorFunction")]

    assert {each["SourceArn"]["Fn::GetAtt"][0] for each in its_own} == names
    assert {each["Principal"] for each in its_own} == {"events.amazonaws.com"}


def test_its_environment_is_what_it_reads(assembly: Assembly) -> None:
    variables = {
        name: str(spelled(value))
        for name, value in assembly.function("monitor", "flowers")["Environment"]["Variables"].items()
    }

    settings = MonitorSettings.from_environment(variables)

    assert settings.package == "flowers"
    assert re.search(r"^s3://.+\.zip$", settings.initial_baseline_uri)
    assert f"/sagemaker-spark-processing:{TAG}" in settings.processing_image_uri
    assert settings.champion_parameter == "/flyball/flowers/champion"


def test_it_changes_after_its_endpoint(assembly: Assembly) -> None:
    variables = assembly.function("monitor", "flowers")["Environment"]["Variables"]

    assert variables["FLYBALL_ENDPOINT_NAME"]["Fn::GetAtt"][1] == "EndpointName"


def test_it_may_run_as_long_as_lambda_lets_it_and_reserves_nothing(assembly: Assembly) -> None:
    function = assembly.function("monitor", "flowers")

    assert function["Timeout"] == 900
    assert "ReservedConcurrentExecutions" not in function


def test_s3_may_tell_it_that_something_is_not_there_yet(assembly: Assembly) -> None:
    """S3 asks for s3:ListBucket before it says so, and then no prefix is asked about."""
    roles = assembly.resources("AWS::IAM::Role", "flowers")
    (role,) = (properties for name, properties in roles.items() if name.startswith("MonitorFunctionRole"))
    statements = role["Policies"][0]["PolicyDocument"]["Statement"]

    (listing,) = (each for each in statements if each["Action"] == "s3:ListBucket")

    assert listing["Condition"] == {
        "StringLikeIfExists": {
            "s3:prefix": ["captures/flyball-flowers/*", "labels/flyball-flowers/*", "monitor/flyball-flowers/*"]
        }
    }


def test_the_spark_image_is_in_every_region_that_the_sdk_knows() -> None:
    listed = distribution("sagemaker-core").locate_file("sagemaker/core/image_uri_config/spark.json")
    spark = json.loads(Path(str(listed)).read_text(encoding="utf-8"))["processing"]
    version, _, rest = TAG.partition("-")

    newest = spark["versions"][version]

    assert newest["registries"] == REGISTRIES
    assert newest["repository"] == "sagemaker-spark-processing"
    assert rest.split("-")[1] in newest["py_versions"]


def test_the_image_is_of_the_region_that_is_deployed_to(assembly: Assembly) -> None:
    (mapping,) = assembly.template("flowers")["Mappings"].values()
    uri = assembly.function("monitor", "flowers")["Environment"]["Variables"]["FLYBALL_PROCESSING_IMAGE"]

    looked_up = [node["Fn::FindInMap"] for node in walk(uri) if isinstance(node, dict) and "Fn::FindInMap" in node]

    assert [(region, key) for _, region, key in looked_up] == [({"Ref": "AWS::Region"}, "account")]
    assert mapping["us-east-1"] == {"account": "173754725891"}


def test_the_jobs_code_is_ours_and_no_packages(tmp_path: Path) -> None:
    folder = write_code(tmp_path / "code")

    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
    assert {"functions/monitor/settings.py", "functions/gateway/metrics.py", "model_packages/contract.py"} <= files
    assert not {file for file in files if file.endswith(("schema.py", "inference.py"))}


def test_a_captures_writer_is_the_endpoint_or_the_gateway_and_never_both(workshop: Workshop) -> None:
    by_endpoint = workshop.synthesize([workshop.package("flowers")], out="endpoint")
    by_gateway = workshop.synthesize([workshop.package("flowers", capture={"by": "gateway"})], out="gateway")

    def writers(assembly: Assembly) -> tuple[bool, str]:
        config = assembly.only("AWS::SageMaker::EndpointConfig", "flowers")["DataCaptureConfig"]
        variables = assembly.function("gateway", "flowers")["Environment"]["Variables"]
        return config["EnableCapture"], variables["FLYBALL_CAPTURE_PERCENT"]

    assert writers(by_endpoint) == (True, "0")
    assert writers(by_gateway) == (False, "100")


def test_a_package_without_a_baseline_is_to_be_trained(workshop: Workshop) -> None:
    packages = [workshop.package("flowers"), workshop.package("house_prices")]
    (workshop.sources(packages).initial_baseline(packages[1]) / "baseline.json").unlink()

    with pytest.raises(OperatorError, match=r"no baseline/baseline\.json of house_prices; run `flyball train"):
        workshop.synthesize(packages)
