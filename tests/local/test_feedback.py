"""Labels on a running local cloud: what a caller sends is stored where the monitor reads it, by the gateway's own role.
Where the gateway captures, its records are beside them.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from tests.local.checkout import Checkout, Serving, give_version, http_answer, make_checkout

pytestmark = pytest.mark.slow

PACKAGE = "tumours"


@dataclass
class Running:
    """The cloud that these tests share."""

    checkout: Checkout
    serving: Serving

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        url = f"https://localhost:{self.checkout.https_port}/api/models/{PACKAGE}/{path}"
        command = ["curl", "--silent", "--include", "--max-time", "40", "--cacert", ".flyball/certificate/ca.pem"]
        signature = ["--aws-sigv4", "aws:amz:us-east-1:execute-api", "--user", "local:local"]
        data = ["-H", "content-type: application/json", "--data", json.dumps(body)]
        done = subprocess.run(
            [*command, *signature, *data, url], cwd=self.checkout.root, capture_output=True, text=True, check=True
        )
        status, _, answer = http_answer(done.stdout)
        return status, answer

    def predict(self) -> str:
        examples = json.loads((self.checkout.root / "model_packages" / PACKAGE / "examples.json").read_text())
        status, answer = self.post("predict", examples[0]["request"])
        assert status == 200, answer
        return str(answer["inference_id"])

    def objects(self, prefix: str) -> dict[str, bytes]:
        """What lies in the captures' bucket below a prefix."""
        s3 = boto3.client(
            "s3",
            endpoint_url=f"http://localhost:{self.checkout.cloud_port}",
            aws_access_key_id="local",
            aws_secret_access_key="local",
            region_name="us-east-1",
        )
        [bucket] = [one["Name"] for one in s3.list_buckets()["Buckets"] if "captures" in one["Name"]]
        keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
        return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    checkout = make_checkout(tmp_path_factory.mktemp("feedback") / "flyball", packages=[PACKAGE])
    settings = checkout.root / "model_packages" / PACKAGE / "package.toml"
    settings.write_text(settings.read_text().replace("[capture]", '[capture]\nby = "gateway"'))
    give_version(checkout, PACKAGE)
    serving = checkout.up()
    try:
        yield Running(checkout, serving)
    finally:
        serving.stop(signal.SIGTERM)


def test_a_label_is_stored_by_the_hour_of_its_prediction(running: Running) -> None:
    inference_id = running.predict()

    status, answer = running.post("feedback", {"inference_id": inference_id, "label": {"diagnosis": "benign"}})

    assert (status, answer) == (202, {"accepted": 1})
    [(key, content)] = running.objects("labels/").items()
    assert key.split("/")[1].endswith(PACKAGE)
    assert json.loads(content)["inference_id"] == inference_id


def test_the_gateway_s_capture_lies_where_sagemaker_s_would(running: Running) -> None:
    inference_id = running.predict()

    [content] = [body for key, body in running.objects("captures/").items() if inference_id in key]

    record = json.loads(content)
    assert record["eventMetadata"]["inferenceId"] == inference_id
    assert "predictions" in json.loads(record["captureData"]["endpointOutput"]["data"])


def test_an_id_that_nobody_was_given_is_refused(running: Running) -> None:
    made_up = "019c5d5e-0000-7000-8000-000000000000"

    status, answer = running.post("feedback", {"inference_id": made_up, "label": {"diagnosis": "benign"}})

    assert (status, answer["type"]) == (404, "urn:flyball:problem:unknown-inference")
