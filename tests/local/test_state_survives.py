"""What a cloud holds outlives it: after `flyball down`, after `kill -9` at any moment, beside another cloud.

One checkout goes through all of it, in the order in which the tests stand here.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.local.checkout import Checkout, Serving, give_version, make_checkout

pytestmark = pytest.mark.slow

PACKAGE = "tumours"
STACKS = {"CDKToolkit", "flyball-platform", f"flyball-{PACKAGE}"}
LARGE = bytes(range(256)) * 1024


@dataclass
class Life:
    """A checkout and the cloud that runs from it, if one does."""

    checkout: Checkout
    serving: Serving | None = None
    acknowledged: dict[str, bytes] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.checkout.cloud_port}",
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=20, s3={"addressing_style": "path"}),
        )

    def up(self) -> Serving:
        self.serving = self.checkout.up()
        return self.serving

    def kill(self) -> None:
        """`kill -9` of the cloud's own process; the watchdog ends its children."""
        assert self.serving is not None
        os.kill(self.serving.process.pid, signal.SIGKILL)
        self.serving.wait()
        deadline = time.monotonic() + 20
        while self.checkout.processes():
            assert time.monotonic() < deadline, self.checkout.processes()
            time.sleep(0.05)

    def put_until_it_fails(self, thread: int) -> None:
        """Writes objects one after another, small ones and large ones; notes those that were acknowledged."""
        client = self.client("s3")
        for number in range(10_000):
            key, body = f"{thread}/{number}", f"{thread}/{number}".encode() + (LARGE if number % 3 == 0 else b"")
            try:
                client.put_object(Bucket="kept", Key=key, Body=body)
            except (BotoCoreError, ClientError):
                return
            self.acknowledged[key] = body


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    checkout = make_checkout(tmp_path_factory.mktemp("kept") / "flyball", packages=[PACKAGE])
    give_version(checkout, PACKAGE)
    life = Life(checkout)
    yield life
    if life.serving is not None:
        life.serving.stop()


def statuses(life: Life) -> dict[str, str]:
    stacks = life.client("cloudformation").describe_stacks()["Stacks"]
    return {stack["StackName"]: stack["StackStatus"] for stack in stacks}


def predicts(life: Life) -> bool:
    return life.checkout.flyball("invoke", PACKAGE).returncode == 0


@pytest.mark.parametrize("stack", ["platform", PACKAGE])
def test_a_kill_in_the_middle_of_a_deployment_is_recovered_from(life: Life, stack: str) -> None:
    life.serving = life.checkout.start_up()
    life.serving.wait_for(f"flyball-{stack} CREATE_IN_PROGRESS", seconds=120)

    life.kill()

    state = life.checkout.flyball("status", "--json")
    assert state.returncode == 0, state.stderr
    assert "CREATE_COMPLETE" not in "".join(line for line in life.serving.lines if PACKAGE in line)


def test_the_next_up_deploys_what_the_kill_left_undone(life: Life) -> None:
    life.up()

    assert set(statuses(life)) == STACKS
    assert set(statuses(life).values()) <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    assert predicts(life)


def test_what_was_there_before_down_is_there_after_up(life: Life) -> None:
    life.client("s3").create_bucket(Bucket="kept")
    life.client("s3").put_object(Bucket="kept", Key="key", Body=LARGE, Metadata={"a": "b"})
    life.client("ssm").put_parameter(Name="/own", Value="value", Type="String")
    events = life.client("cloudformation").describe_stack_events(StackName="flyball-platform")["StackEvents"]
    before = described(life)
    assert life.checkout.flyball("down").returncode == 0
    assert life.serving is not None
    life.serving.wait()

    serving = life.up()

    assert described(life) == before
    assert life.client("s3").get_object(Bucket="kept", Key="key")["Body"].read() == LARGE
    assert life.client("ssm").get_parameter(Name="/own")["Parameter"]["Value"] == "value"
    assert life.client("cloudformation").describe_stack_events(StackName="flyball-platform")["StackEvents"] == events
    assert "_COMPLETE" not in serving.output, "nothing had to be deployed"
    assert predicts(life)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_kill_loses_nothing_that_was_acknowledged(life: Life, seed: int) -> None:
    already = len(life.acknowledged)
    with ThreadPoolExecutor(3) as threads:
        writers = [threads.submit(life.put_until_it_fails, 10 * seed + index) for index in range(3)]
        deadline = time.monotonic() + 60
        while len(life.acknowledged) < already + random.Random(seed).randint(20, 60):  # noqa: S311
            assert time.monotonic() < deadline
            time.sleep(0.02)
        life.kill()
        for writer in writers:
            writer.result(40)

    life.up()

    client = life.client("s3")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="kept")
    found = {entry["Key"] for page in pages for entry in page["Contents"]}
    assert life.acknowledged.keys() <= found
    for key, body in life.acknowledged.items():
        assert client.get_object(Bucket="kept", Key=key)["Body"].read() == body, key
    assert predicts(life)


def test_an_edited_package_is_updated_and_not_created(life: Life) -> None:
    assert life.serving is not None
    life.serving.stop()
    settings = life.checkout.root / "model_packages" / PACKAGE / "inference.py"
    settings.write_text(settings.read_text() + "\n# edited\n")

    serving = life.up()

    assert f"flyball-{PACKAGE} UPDATE_COMPLETE" in serving.output
    assert "CREATE" not in serving.output
    assert statuses(life)[f"flyball-{PACKAGE}"] == "UPDATE_COMPLETE"
    assert predicts(life)


def test_another_cloud_on_other_ports_is_another_account(life: Life, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "other", packages=[])
    other = Life(checkout)
    other.up()
    try:
        other.client("ssm").put_parameter(Name="/other", Value="value", Type="String")
        parameters = {entry["Name"] for entry in life.client("ssm").describe_parameters()["Parameters"]}
        buckets = {entry["Name"] for entry in other.client("s3").list_buckets()["Buckets"]}
    finally:
        assert other.serving is not None
        other.serving.stop()

    assert "/other" not in parameters
    assert "kept" not in buckets
    assert predicts(life), "the end of one is not the end of the other"


def test_another_environment_is_refused_before_anything_of_it_is_deployed(life: Life) -> None:
    checkout = life.checkout
    assert life.serving is not None
    life.serving.stop()

    refused = checkout.flyball("up", *checkout.ports, "--environment", "staging", timeout_seconds=240)
    status = checkout.flyball("status")

    assert refused.returncode == 2
    assert "holds flyball-platform, another environment or prefix" in refused.stderr
    assert "flyball-staging" not in refused.stderr
    assert f"{PACKAGE}: down with the cloud" in status.stdout
    life.serving = checkout.up("--no-deploy")
    assert predicts(life), "what was there still serves"


def test_a_reset_is_refused_while_a_cloud_runs_and_forgets_everything_afterwards(life: Life) -> None:
    refused = life.checkout.flyball("reset", "--yes")
    assert life.serving is not None
    life.serving.stop()
    life.serving = None

    asked = life.checkout.flyball("reset")
    done = life.checkout.flyball("reset", "--yes")

    assert refused.returncode == 2
    assert "flyball down" in refused.stderr
    assert asked.returncode == 1, "nobody answered"
    assert done.returncode == 0, done.stderr
    assert not (life.checkout.root / ".flyball" / "state").exists()
    assert (life.checkout.root / "build" / "models" / PACKAGE).is_dir()
    assert json.loads(life.checkout.flyball("status", "--json").stdout)["state"] is None


def described(life: Life) -> object:
    """What several services say of themselves."""
    sagemaker, gateway = life.client("sagemaker"), life.client("apigateway")
    endpoint = sagemaker.describe_endpoint(EndpointName=f"flyball-{PACKAGE}")
    return [
        statuses(life),
        {key: endpoint[key] for key in ("EndpointConfigName", "EndpointStatus", "CreationTime")},
        sorted(role["RoleName"] for role in life.client("iam").list_roles()["Roles"]),
        sorted(function["CodeSha256"] for function in life.client("lambda").list_functions()["Functions"]),
        [stage["deploymentId"] for api in gateway.get_rest_apis()["items"] for stage in stages(gateway, api["id"])],
        sorted(alarm["AlarmName"] for alarm in life.client("cloudwatch").describe_alarms()["MetricAlarms"]),
    ]


def stages(gateway: Any, api: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = gateway.get_stages(restApiId=api)["item"]
    return found
