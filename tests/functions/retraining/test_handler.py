"""The function's entry point starts from its environment alone, logs a failure once and lets Step Functions see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.functions.conftest import PACKAGES
from tests.functions.retraining.cloud import ARTIFACTS, CAPTURES, PARAMETER
from tests.functions.retraining.loops import KEY, SETTINGS, step_of

ROOT = Path(__file__).parents[3]
PROGRAM = f"""
import json, sys, model_packages
model_packages.__path__.append({str(PACKAGES)!r})
from functions.retraining.handler import handler
for line in sys.stdin:
    try:
        print("answer", json.dumps(handler(json.loads(line), None)))
    except Exception as error:
        print("raised", type(error).__name__)
"""


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def client(service: str, endpoint: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


def handle(endpoint: str, *events: dict[str, Any]) -> tuple[list[str], list[dict[str, Any]]]:
    """What the function answers to the events, one after another, and what it logs."""
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        **SETTINGS.to_environment(),
    }
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=ROOT,
        env=environment,
        input="".join(json.dumps(event) + "\n" for event in events),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    logged = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in lines if not line.startswith("{")], logged


@pytest.mark.slow
def test_steps_reach_aws_through_botocore(endpoint: str) -> None:
    for bucket in (ARTIFACTS, CAPTURES):
        client("s3", endpoint).create_bucket(Bucket=bucket)
    client("ssm", endpoint).put_parameter(Name=PARAMETER, Value="none", Type="String", Overwrite=True)
    admit = step_of("one", step="admit", trigger={"kind": "manual", "by": "ada"})
    events = [admit, {"step": "history"}, step_of("one", step="admit", trigger={"kind": "whim"}), {"step": "dance"}]

    answers, logged = handle(endpoint, *events)

    assert json.loads(answers[0].removeprefix("answer "))["champion"]["arn"] == "none"
    assert json.loads(answers[1].removeprefix("answer "))["running"]["run"] == "one"
    assert answers[2:] == ["raised OperatorError", "raised OperatorError"]
    failed = [line for line in logged if line["message"] == "failed"]
    assert [line["step"] for line in failed] == ["admit", "dance"]
    assert failed[0]["cause"].startswith("trigger.kind: found 'whim'; allowed: drift")
    state = json.loads(client("s3", endpoint).get_object(Bucket=ARTIFACTS, Key=KEY)["Body"].read())
    assert state["lock"]["trigger"]["by"] == "ada"
