"""A window that outgrows the monitor's function, on a running local cloud: the deployed function has it folded by a job
under the role that the stack gave it.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from tests.local.checkout import Checkout, give_version, http_answer, make_checkout

pytestmark = pytest.mark.slow

PACKAGE, REQUESTS = "tumours", 3


@dataclass
class Running:
    """The cloud that this test runs on."""

    checkout: Checkout

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=f"http://localhost:{self.checkout.cloud_port}",
            aws_access_key_id="local",
            aws_secret_access_key="local",
            region_name="us-east-1",
        )

    def predict(self) -> None:
        package = self.checkout.root / "model_packages" / PACKAGE
        [example, *_] = json.loads((package / "examples.json").read_text())
        url = f"https://localhost:{self.checkout.https_port}/api/models/{PACKAGE}/predict"
        command = ["curl", "--silent", "--include", "--max-time", "40", "--cacert", ".flyball/certificate/ca.pem"]
        signature = ["--aws-sigv4", "aws:amz:us-east-1:execute-api", "--user", "local:local"]
        data = ["-H", "content-type: application/json", "--data", json.dumps(example["request"])]
        done = subprocess.run(
            [*command, *signature, *data, url], cwd=self.checkout.root, capture_output=True, text=True, check=True
        )
        status, _, answer = http_answer(done.stdout)
        assert status == 200, answer

    def look(self) -> dict[str, Any]:
        """One run of the monitor, as its schedule starts it."""
        [name] = [
            function["FunctionName"]
            for function in self.client("lambda").list_functions()["Functions"]
            if PACKAGE in function["FunctionName"] and "monitor" in function["FunctionName"]
        ]
        event = {"source": "aws.events", "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        content: dict[str, Any] = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, content
        return content

    def finished_job(self) -> dict[str, Any]:
        """The one job, as it is once it has ended well; a WaiterError says why it has not."""
        sagemaker = self.client("sagemaker")
        [summary] = sagemaker.list_processing_jobs()["ProcessingJobSummaries"]
        name = summary["ProcessingJobName"]
        waiter = sagemaker.get_waiter("processing_job_completed_or_stopped")
        waiter.wait(ProcessingJobName=name, WaiterConfig={"Delay": 2, "MaxAttempts": 120})
        described: dict[str, Any] = sagemaker.describe_processing_job(ProcessingJobName=name)
        return described


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    checkout = make_checkout(tmp_path_factory.mktemp("large") / "flyball", packages=[PACKAGE])
    settings = checkout.root / "model_packages" / PACKAGE / "package.toml"
    text = settings.read_text().replace("[capture]", '[capture]\nby = "gateway"')
    settings.write_text(f"{text}\n[monitor]\nprocessing_rows = 1\n")
    give_version(checkout, PACKAGE)
    serving = checkout.up()
    try:
        yield Running(checkout)
    finally:
        serving.stop(signal.SIGTERM)


def test_a_window_that_looks_large_is_folded_by_a_job_and_taken_in_by_the_next_run(running: Running) -> None:
    for _ in range(REQUESTS):
        running.predict()

    handed_over = running.look()
    job = running.finished_job()
    taken_in = running.look()

    assert handed_over["outcome"] == "folding"
    assert job["ProcessingJobStatus"] == "Completed"
    assert (taken_in["outcome"], taken_in["rows"]) == ("open", REQUESTS)
