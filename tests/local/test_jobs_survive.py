"""Jobs that are in progress when a whole local cloud ends go on in the next one, with what they had saved in its S3."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.clock import SystemClock
from local.cloud import LocalCloud, local_cloud
from local.ports import Ports, free_port

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/flyball"
ROLE = "arn:aws:iam::123456789012:role/jobs"
FAKES = Path(__file__).parent / "services" / "sagemaker"
CONTAINERS = {
    "trainer": FAKES / "training" / "fake_trainer.py",
    "processor": FAKES / "processing" / "fake_processor.py",
}
DEADLINE_SECONDS = 60


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[LocalCloud]:
    ports = Ports(https=free_port(), cloud=free_port(), console=free_port())
    async with local_cloud(
        state=folder / "cloud", assembly=folder / "cdk.out", clock=SystemClock(), ports=ports
    ) as cloud:
        yield cloud


def give_images(state: Path) -> None:
    """Images as a cloud keeps them that a deployment has given to it."""
    for tag, script in CONTAINERS.items():
        context = state / "images" / tag / "context" / "container"
        context.mkdir(parents=True)
        (context / "__main__.py").write_text(script.read_text())
        described = {"build_args": {"PACKAGE": "digits"}, "digest": "sha256:0", "size_bytes": 1}
        (state / "images" / tag / "image.json").write_text(json.dumps(described))


def prepare(cloud: LocalCloud) -> None:
    """A role that may do what both jobs need, a bucket, and data."""
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allowed = {"Effect": "Allow", "Action": ["s3:*", "ecr:*", "logs:*"], "Resource": "*"}
    iam, s3 = cloud.clients("iam"), cloud.clients("s3")
    iam.create_role(RoleName="jobs", AssumeRolePolicyDocument=policy(trust))
    iam.put_role_policy(RoleName="jobs", PolicyName="own", PolicyDocument=policy(allowed))
    s3.create_bucket(Bucket="jobs")
    s3.put_object(Bucket="jobs", Key="data/a.csv", Body=b"1,2")


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def start_training(cloud: LocalCloud) -> None:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://jobs/data"}}
    cloud.clients("sagemaker").create_training_job(
        TrainingJobName="training",
        RoleArn=ROLE,
        AlgorithmSpecification={"TrainingImage": f"{REGISTRY}:trainer", "TrainingInputMode": "File"},
        HyperParameters={"do": "resume"},
        InputDataConfig=[{"ChannelName": "training", "DataSource": source}],
        OutputDataConfig={"S3OutputPath": "s3://jobs/out"},
        CheckpointConfig={"S3Uri": "s3://jobs/saved"},
        ResourceConfig={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )


def start_processing(cloud: LocalCloud) -> None:
    cluster = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10}
    cloud.clients("sagemaker").create_processing_job(
        ProcessingJobName="processing",
        RoleArn=ROLE,
        AppSpecification={"ImageUri": f"{REGISTRY}:processor", "ContainerArguments": ["wait"]},
        ProcessingResources={"ClusterConfig": cluster},
    )


async def until(condition: Callable[[], bool]) -> None:
    """Asks a cloud from a thread: it runs in this event loop."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.05)


def lines(cloud: LocalCloud, kind: str) -> list[str]:
    group = f"/aws/sagemaker/{kind}Jobs"
    try:
        return [each["message"] for each in cloud.clients("logs").filter_log_events(logGroupName=group)["events"]]
    except ClientError:
        return []


def saved(cloud: LocalCloud) -> bool:
    return bool(cloud.clients("s3").list_objects_v2(Bucket="jobs", Prefix="saved/").get("Contents"))


def described(cloud: LocalCloud) -> tuple[str, str]:
    """The statuses of both jobs."""
    sagemaker = cloud.clients("sagemaker")
    training = sagemaker.describe_training_job(TrainingJobName="training")["TrainingJobStatus"]
    return training, sagemaker.describe_processing_job(ProcessingJobName="processing")["ProcessingJobStatus"]


async def test_jobs_in_progress_go_on_in_the_next_cloud(tmp_path: Path) -> None:
    give_images(tmp_path / "cloud")
    async with running(tmp_path) as cloud:
        for step in (prepare, start_training, start_processing):
            await asyncio.to_thread(step, cloud)
        await until(lambda: saved(cloud) and "waiting" in lines(cloud, "Processing"))

    async with running(tmp_path) as cloud:
        await until(lambda: described(cloud)[0] == "Completed")
        await until(lambda: lines(cloud, "Processing").count("waiting") == 2)
        between = await asyncio.to_thread(described, cloud)
        await asyncio.to_thread(cloud.clients("sagemaker").stop_processing_job, ProcessingJobName="processing")
        await until(lambda: described(cloud)[1] == "Stopped")
        said = [await asyncio.to_thread(lines, cloud, kind) for kind in ("Training", "Processing")]

    again = "The local cloud ended while this job was in progress; it is started again."
    assert between == ("Completed", "InProgress")
    assert said == [["waiting", again], ["waiting", again, "waiting"]]
