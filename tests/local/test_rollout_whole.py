"""A whole local cloud in which endpoints are updated: real processes, real alarms, real policies, simulated time."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import tarfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.clock import SystemClock
from local.cloud import LocalCloud, local_cloud
from local.ports import Ports
from local.services.ecr_images import CONTEXT, DESCRIPTION
from tests.local.checkout import free_port
from tests.local.state.moto_account import forget_everything

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ACCOUNT, REGION = "123456789012", "us-east-1"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/kit:fake"
CONTAINER = Path(__file__).parent / "services" / "sagemaker" / "fake_container.py"
DEADLINE_SECONDS = 30
CANARY = {
    "TrafficRoutingConfiguration": {
        "Type": "CANARY",
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        "WaitIntervalInSeconds": 300,
    },
    "TerminationWaitInSeconds": 300,
    "MaximumExecutionTimeoutInSeconds": 1800,
}
ALARMS = {"Alarms": [{"AlarmName": "errors"}]}
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://artifacts/captured",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[LocalCloud]:
    forget_everything()  # what another cloud of this process knew: each of them is a process of its own elsewhere
    context = folder / "cloud" / "images" / "fake" / CONTEXT / "container"
    context.mkdir(parents=True, exist_ok=True)
    shutil.copy(CONTAINER, context / "__main__.py")
    described = {"build_args": {}, "digest": "sha256:0", "size_bytes": 1}
    (context.parents[1] / DESCRIPTION).write_text(json.dumps(described))
    ports = Ports(https=free_port(), cloud=free_port(), console=free_port())
    async with local_cloud(
        state=folder / "cloud", assembly=folder / "cdk.out", clock=SystemClock(), ports=ports
    ) as cloud:
        yield cloud


@dataclass
class Scene:
    """What a caller in a thread of its own does with the cloud."""

    cloud: LocalCloud
    answers: Counter[str] = field(default_factory=Counter)
    """How often which version answered; `error` where none did."""

    def client(self, service: str) -> Any:
        return self.cloud.clients(service)

    def role(self, *allowed: str) -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        arn: str = self.client("iam").create_role(RoleName="model", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        statement = {"Effect": "Allow", "Action": ["s3:*", "ecr:*", "logs:*", *allowed], "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.client("iam").put_role_policy(RoleName="model", PolicyName="p", PolicyDocument=policy)
        return arn

    def versions(self, role: str, *names: str) -> None:
        """A config for each name; the container does what the name says."""
        self.client("s3").create_bucket(Bucket="artifacts")
        for name in names:
            self.client("s3").put_object(Bucket="artifacts", Key=f"{name}.tar.gz", Body=artifact(name))
            container = {"Image": IMAGE, "ModelDataUrl": f"s3://artifacts/{name}.tar.gz"}
            self.client("sagemaker").create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role)
            variant = {"VariantName": "main", "ModelName": name, "InstanceType": "ml.c7i.large"}
            self.client("sagemaker").create_endpoint_config(
                EndpointConfigName=name, ProductionVariants=[{**variant, "InitialInstanceCount": 2}]
            )

    def alarm(self, *, config: str | None = None) -> None:
        """In ALARM after one minute with an error."""
        dimensions = {"EndpointName": "digits", "VariantName": "main"}
        if config is not None:
            dimensions["EndpointConfigName"] = config
        self.client("cloudwatch").put_metric_alarm(
            AlarmName="errors",
            Namespace="AWS/SageMaker",
            MetricName="Invocation5XXErrors",
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1.0,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
        )

    def create(self, config: str) -> None:
        self.client("sagemaker").create_endpoint(EndpointName="digits", EndpointConfigName=config)
        self.until(lambda: self.described["EndpointStatus"] == "InService")

    def update(self, config: str) -> None:
        rails = {"BlueGreenUpdatePolicy": CANARY, "AutoRollbackConfiguration": ALARMS}
        self.client("sagemaker").update_endpoint(
            EndpointName="digits", EndpointConfigName=config, DeploymentConfig=rails
        )

    @property
    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client("sagemaker").describe_endpoint(EndpointName="digits")
        return found

    @property
    def stage(self) -> str:
        """The message of the stage that the update is in."""
        pending = self.described.get("PendingDeploymentSummary")
        return "" if pending is None else str(pending["ProductionVariants"][0]["VariantStatus"][0]["StatusMessage"])

    def stack(self, operation: str, config: str) -> str:
        """Begins to create or update a stack of one endpoint, and waits; its status."""
        rails = {"BlueGreenUpdatePolicy": CANARY, "AutoRollbackConfiguration": ALARMS}
        properties = {"EndpointName": "digits", "EndpointConfigName": config, "DeploymentConfig": rails}
        template = {"Resources": {"Endpoint": {"Type": "AWS::SageMaker::Endpoint", "Properties": properties}}}
        getattr(self.client("cloudformation"), operation)(StackName="digits", TemplateBody=json.dumps(template))
        self.until(lambda: not self.stack_status.endswith("IN_PROGRESS"))
        return self.stack_status

    @property
    def stack_status(self) -> str:
        (stack,) = self.client("cloudformation").describe_stacks(StackName="digits")["Stacks"]
        return str(stack["StackStatus"])

    def invoke(self, times: int = 1) -> None:
        for _ in range(times):
            try:
                answer = self.client("sagemaker-runtime").invoke_endpoint(EndpointName="digits", Body=b"{}")
                self.answers[json.loads(answer["Body"].read())["mode"]] += 1
            except ClientError:
                self.answers["error"] += 1

    def advance(self, seconds: float) -> None:
        now = datetime.fromisoformat(self._clock(None)["now"])
        self._clock({"advance_to": (now + timedelta(seconds=seconds)).isoformat()})

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.described
            time.sleep(0.05)

    @contextmanager
    def client_beside(self) -> Iterator[None]:
        """Somebody who sends one request after the other as long as the block lasts."""
        over = threading.Event()

        def work() -> None:
            while not over.is_set():
                self.invoke()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _clock(self, document: dict[str, str] | None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the cloud's own address
            f"{self.cloud.aws_endpoint_url}/_flyball/clock",
            data=None if document is None else json.dumps(document).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            return json.loads(answer.read())


def artifact(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("mode.txt")
        member.size = len(mode)
        tar.addfile(member, io.BytesIO(mode.encode()))
    return buffer.getvalue()


async def test_a_good_version_comes_into_service_and_no_request_is_lost(tmp_path: Path) -> None:
    def story(cloud: LocalCloud) -> tuple[Scene, Counter[str], Counter[str], dict[str, Any]]:
        scene = Scene(cloud)
        scene.versions(scene.role("cloudwatch:DescribeAlarms"), "ok", "fine")
        scene.alarm()
        scene.create("ok")
        with scene.client_beside():
            scene.update("fine")
            scene.until(lambda: "canary capacity of 1 instance(s)" in scene.stage)
            before_canary = scene.answers.total()
            scene.until(lambda: scene.answers.total() >= before_canary + 100)
            canary = Counter(scene.answers)
            scene.advance(300)
            scene.until(lambda: "full capacity of 2 instance(s)" in scene.stage)
            scene.invoke()
            shifted = Counter(scene.answers)
            during = scene.described
            scene.advance(300)
            scene.until(lambda: scene.described["EndpointStatus"] == "InService")
            scene.invoke(20)
        return scene, canary, shifted, during

    async with running(tmp_path) as cloud:
        scene, canary, shifted, during = await asyncio.to_thread(story, cloud)
        after = await asyncio.to_thread(lambda: scene.described)

    assert scene.answers["error"] == 0
    assert canary["fine"] > 10
    assert canary["ok"] > 10
    assert scene.answers["ok"] - shifted["ok"] <= 1  # one that was under way when it was counted
    assert (during["EndpointStatus"], during["EndpointConfigName"]) == ("Updating", "ok")
    assert during["PendingDeploymentSummary"]["EndpointConfigName"] == "fine"
    assert (after["EndpointConfigName"], after.get("FailureReason")) == ("fine", None)
    assert "PendingDeploymentSummary" not in after
    assert after["LastDeploymentConfig"]["BlueGreenUpdatePolicy"] == CANARY


@pytest.mark.parametrize("config", [None, "failing"])
async def test_a_version_that_fails_under_load_is_rolled_back_by_the_alarm(tmp_path: Path, config: str | None) -> None:
    def story(cloud: LocalCloud) -> tuple[list[dict[str, Any]], Counter[str]]:
        scene = Scene(cloud)
        scene.versions(scene.role("cloudwatch:DescribeAlarms"), "ok", "failing")
        scene.alarm(config=config)
        scene.create("ok")
        scene.update("failing")
        scene.until(lambda: "canary capacity" in scene.stage)
        scene.invoke(40)
        scene.advance(120)
        scene.until(lambda: scene.described["EndpointStatus"] == "InService")
        failed = Counter(scene.answers)
        scene.invoke(40)
        return [scene.described], scene.answers - failed

    async with running(tmp_path) as cloud:
        (described,), after = await asyncio.to_thread(story, cloud)

    assert described["EndpointConfigName"] == "ok"
    assert "in ALARM: errors." in described["FailureReason"]
    assert after == {"ok": 40}


@pytest.mark.parametrize(
    ("allowed", "alarms", "reason"),
    [
        ([], ["errors"], "not authorized to perform: cloudwatch:DescribeAlarms"),
        (["cloudwatch:DescribeAlarms"], [], "names alarms that do not exist: errors."),
    ],
)
async def test_without_alarms_that_can_be_read_nothing_is_rolled_out(
    tmp_path: Path, allowed: list[str], alarms: list[str], reason: str
) -> None:
    def story(cloud: LocalCloud) -> dict[str, Any]:
        scene = Scene(cloud)
        scene.versions(scene.role(*allowed), "ok", "fine")
        for _name in alarms:
            scene.alarm()
        scene.create("ok")
        scene.update("fine")
        scene.until(lambda: scene.described["EndpointStatus"] == "InService")
        return scene.described

    async with running(tmp_path) as cloud:
        described = await asyncio.to_thread(story, cloud)

    assert described["EndpointConfigName"] == "ok"
    assert reason in described["FailureReason"]


async def test_a_cloud_that_ends_in_the_middle_of_an_update_has_rolled_it_back(tmp_path: Path) -> None:
    def begin(cloud: LocalCloud) -> None:
        scene = Scene(cloud)
        scene.versions(scene.role("cloudwatch:DescribeAlarms"), "ok", "fine")
        scene.alarm()
        scene.create("ok")
        scene.client("sagemaker").update_endpoint_weights_and_capacities(
            EndpointName="digits", DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": 5}]
        )
        scene.update("fine")
        scene.until(lambda: "canary capacity" in scene.stage)

    def look(cloud: LocalCloud) -> tuple[dict[str, Any], Counter[str]]:
        scene = Scene(cloud)
        scene.invoke(20)
        return scene.described, scene.answers

    async with running(tmp_path) as cloud:
        await asyncio.to_thread(begin, cloud)
    async with running(tmp_path) as cloud:
        described, answers = await asyncio.to_thread(look, cloud)

    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "ok")
    assert "The local cloud ended while the endpoint was being updated" in described["FailureReason"]
    assert "PendingDeploymentSummary" not in described
    assert described["ProductionVariants"][0]["DesiredInstanceCount"] == 5
    assert answers == {"ok": 20}


async def test_what_was_captured_lies_there_when_the_endpoint_is_gone(tmp_path: Path) -> None:
    def story(cloud: LocalCloud) -> list[str]:
        scene = Scene(cloud)
        scene.versions(scene.role("cloudwatch:DescribeAlarms"), "ok")
        sagemaker = scene.client("sagemaker")
        variant = {"VariantName": "main", "ModelName": "ok", "InstanceType": "ml.c7i.large", "InitialInstanceCount": 1}
        sagemaker.create_endpoint_config(
            EndpointConfigName="captured", ProductionVariants=[variant], DataCaptureConfig=CAPTURE
        )
        scene.create("captured")
        scene.invoke(3)
        sagemaker.delete_endpoint(EndpointName="digits")
        scene.until(lambda: not sagemaker.list_endpoints()["Endpoints"])
        found = scene.client("s3").list_objects_v2(Bucket="artifacts", Prefix="captured/").get("Contents", [])
        bodies = [scene.client("s3").get_object(Bucket="artifacts", Key=each["Key"])["Body"].read() for each in found]
        return [line for body in bodies for line in body.decode().splitlines()]

    async with running(tmp_path) as cloud:
        lines = await asyncio.to_thread(story, cloud)

    assert len(lines) == 3


async def test_a_stack_does_not_wait_for_a_bake_in_which_nobody_asks_anything(tmp_path: Path) -> None:
    def story(cloud: LocalCloud) -> tuple[str, dict[str, Any]]:
        scene = Scene(cloud)
        scene.versions(scene.role("cloudwatch:DescribeAlarms"), "ok", "fine")
        scene.alarm()
        scene.stack("create_stack", "ok")
        return scene.stack("update_stack", "fine"), scene.described

    async with running(tmp_path) as cloud:
        status, described = await asyncio.to_thread(story, cloud)

    assert (status, described["EndpointConfigName"]) == ("UPDATE_COMPLETE", "fine")


async def test_a_stack_whose_version_is_rolled_back_by_an_alarm_fails_with_the_reason(tmp_path: Path) -> None:
    def story(cloud: LocalCloud) -> tuple[str, list[str], dict[str, Any]]:
        scene = Scene(cloud)
        scene.versions(scene.role("cloudwatch:DescribeAlarms"), "ok", "failing")
        scene.alarm()
        scene.stack("create_stack", "ok")
        with scene.client_beside():
            hurry = threading.Thread(target=advance_once_errors_came, args=(scene,))
            hurry.start()
            status = scene.stack("update_stack", "failing")
            hurry.join()
        events = scene.client("cloudformation").describe_stack_events(StackName="digits")["StackEvents"]
        reasons = [event["ResourceStatusReason"] for event in events if "ResourceStatusReason" in event]
        return status, reasons, scene.described

    def advance_once_errors_came(scene: Scene) -> None:
        scene.until(lambda: scene.answers["error"] > 5)
        scene.advance(120)

    async with running(tmp_path) as cloud:
        status, reasons, described = await asyncio.to_thread(story, cloud)

    assert (status, described["EndpointConfigName"]) == ("UPDATE_ROLLBACK_COMPLETE", "ok")
    assert any("rolled back to ok" in reason and "in ALARM: errors." in reason for reason in reasons)
