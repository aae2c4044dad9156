"""The monitor's entry point starts from its environment alone, logs a failure once and lets Lambda see it."""

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

from model_packages.profile.baseline import Baseline
from tests.functions.conftest import PACKAGES
from tests.functions.monitor.cloud import BUCKET, PARAMETER
from tests.functions.monitor.flowers import NOON, captured, key_of, lines_of
from tests.functions.monitor.runs import SETTINGS, cloud_with, event_at

ROOT = Path(__file__).parents[3]
PROGRAM = f"""
import json, sys, model_packages
model_packages.__path__.append({str(PACKAGES)!r})
from functions.monitor.handler import handler
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


def handle(endpoint: str, *events: dict[str, Any]) -> list[str]:
    """What the function prints when it is handed the events, one after another."""
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
    return finished.stdout.splitlines()


@pytest.mark.slow
def test_a_whole_run_through_botocore(endpoint: str, baseline: Baseline) -> None:
    clients: Any = {
        name: boto3.client(
            name,
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        for name in ("s3", "ssm", "logs", "cloudwatch")
    }
    clients["s3"].create_bucket(Bucket=BUCKET)
    clients["ssm"].put_parameter(Name=PARAMETER, Value="none", Type="String")
    clients["logs"].create_log_group(logGroupName=SETTINGS.gateway_log_group)
    archive = cloud_with(baseline).objects["assets/baseline.zip"]
    clients["s3"].put_object(Bucket=BUCKET, Key="assets/baseline.zip", Body=archive)
    clients["s3"].put_object(Bucket=BUCKET, Key=key_of(NOON), Body=lines_of(captured(250)))

    printed = handle(endpoint, event_at(NOON), event_at(NOON), {"no": "time"})

    answers = [json.loads(line.removeprefix("answer ")) for line in printed if line.startswith("answer")]
    assert [(answer["outcome"], answer["rows"]) for answer in answers] == [("closed", 250), ("open", 0)]
    assert printed[-1] == "raised OperatorError"
    failed = [line for line in map(json.loads, filter(_is_log, printed)) if line["level"] == "ERROR"]
    assert [line["message"] for line in failed] == ["failed"]
    assert failed[0]["cause"] == "the event's time: found None; allowed: one like 2026-02-14T17:25:06Z"
    names = {item["MetricName"] for item in clients["cloudwatch"].list_metrics(Namespace="Flyball")["Metrics"]}
    assert {"WindowRows", "DriftEvidence", "FieldChange", "LabelledRows"} <= names
    keys = [item["Key"] for item in clients["s3"].list_objects_v2(Bucket=BUCKET, Prefix="monitor/")["Contents"]]
    assert [key for key in keys if key.endswith("/report.html")]


def _is_log(line: str) -> bool:
    return line.startswith("{")
