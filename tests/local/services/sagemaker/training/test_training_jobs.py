"""Training jobs with real processes behind them, from CreateTrainingJob to what lies in S3."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import tarfile
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from moto.core.exceptions import ServiceException

from local.clock import ManualClock
from local.documents import InMemoryDocuments
from local.processes import Children
from local.services.sagemaker.model_server import Machine
from local.services.sagemaker.plan import ImageFolder
from local.services.sagemaker.training.board import JobBoard
from local.services.sagemaker.training.jobs import TrainingJobs, fail_interrupted
from local.services.sagemaker.training.operations import TrainingOperations
from local.services.sagemaker.training.run import TrainingMachine
from model_packages.errors import OperatorError
from tests.local.services.sagemaker.object_store import InMemoryObjects

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ACCOUNT, REGION = "123456789012", "us-east-1"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/flyball:digits"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/training"
OUTPUT = "s3://bucket/out/job/output"
DEADLINE_SECONDS = 20


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Cloud:
    """The API of training jobs, and what they touch."""

    operations: TrainingOperations
    jobs: TrainingJobs
    board: JobBoard
    store: InMemoryObjects
    clock: ManualClock
    folder: Path
    logs: dict[str, list[str]]
    refusals: dict[str, str]
    """What the job's role may not do: the refusals' texts by action."""

    def request(self, do: str = "train", **members: Any) -> dict[str, Any]:
        return {
            "TrainingJobName": "job",
            "RoleArn": ROLE,
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "HyperParameters": {"do": do},
            "InputDataConfig": [channel("training", "s3://bucket/data")],
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out/"},
            "ResourceConfig": {"InstanceType": "ml.g6e.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **members,
        }

    def create(self, do: str = "train", **members: Any) -> None:
        self.store.put("s3://bucket/data/a.csv", "1,2")
        self.operations.create(self.request(do, **members))

    async def run(self, do: str = "train", **members: Any) -> dict[str, Any]:
        """One job from beginning to end."""
        self.create(do, **members)
        await self.settle()
        return self.described()

    async def settle(self) -> None:
        await asyncio.sleep(0)
        await self.jobs.settle()

    def described(self, name: str = "job") -> dict[str, Any]:
        return dict(self.operations.describe({"TrainingJobName": name}))

    def archive(self, uri: str) -> dict[str, str]:
        """The texts in a tar.gz that the job stored."""
        with tarfile.open(fileobj=io.BytesIO(self.store.get(uri))) as tar:
            files = {member.name: tar.extractfile(member) for member in tar.getmembers() if member.isfile()}
            return {name: file.read().decode() for name, file in files.items() if file is not None}

    @property
    def lines(self) -> list[str]:
        return [line for stream in self.logs.values() for line in stream]

    async def until_it_waits(self) -> None:
        """Until a container has begun and waits to be ended."""
        await until(lambda: "waiting" in self.lines)


def channel(name: str, uri: str, **members: Any) -> dict[str, Any]:
    kind = members.pop("kind", "S3Prefix")
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": kind, "S3Uri": uri}}, **members}


def steps(job: dict[str, Any]) -> list[str]:
    return [transition["Status"] for transition in job["SecondaryStatusTransitions"]]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


async def hurry(_seconds: float) -> None:
    """The pause between two looks at a job, cut short."""
    await asyncio.sleep(0.01)


@asynccontextmanager
async def running_cloud(
    folder: Path, documents: InMemoryDocuments, *, at_once: int = 2, grace_seconds: float = 20.0
) -> AsyncIterator[Cloud]:
    image = folder / "image"
    (image / "container").mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).with_name("fake_trainer.py"), image / "container" / "__main__.py")

    def images(uri: str) -> ImageFolder:
        if uri != IMAGE:
            raise OperatorError(f"no asset has the tag of {uri}")
        return ImageFolder(image, {"FLYBALL_PACKAGE": "digits"})

    def log(group: str, stream: str, lines: Sequence[str]) -> None:
        logs[f"{group} {stream}"].extend(lines)

    logs: dict[str, list[str]] = defaultdict(list)
    refusals: dict[str, str] = {}
    async with Children() as children, aiohttp.ClientSession() as session:
        clock, store, board = ManualClock(), InMemoryObjects(), JobBoard(documents)
        machine = Machine(
            children=children,
            session=session,
            store=store,
            images=images,
            folder=folder / "models",
            clock=clock,
            log=log,
            sleep=hurry,
            role_environment=lambda role, _session: {"AWS_ACCESS_KEY_ID": f"key of {role}"},
            may=lambda _role, action, _resource: refusals.get(action),
            trusts=lambda _role, service: "sts:AssumeRole" not in refusals and service == "sagemaker.amazonaws.com",
        )
        surroundings = TrainingMachine(machine=machine, board=board, grace_seconds=grace_seconds)
        jobs = TrainingJobs(surroundings, at_once=at_once)
        later = asyncio.get_running_loop().call_soon_threadsafe
        operations = TrainingOperations(surroundings, jobs=jobs, later=later)
        yield Cloud(operations, jobs, board, store, clock, folder, logs, refusals)
        await jobs.close()


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, InMemoryDocuments()) as cloud:
        yield cloud


async def test_a_job_is_in_progress_until_its_artifact_lies_in_s3(cloud: Cloud) -> None:
    cloud.create()
    before = cloud.described()
    await cloud.settle()

    job = cloud.described()

    assert (before["TrainingJobStatus"], before["SecondaryStatus"]) == ("InProgress", "Starting")
    assert "ModelArtifacts" not in before
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    assert steps(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert job["ModelArtifacts"] == {"S3ModelArtifacts": f"{OUTPUT}/model.tar.gz"}
    assert set(cloud.archive(f"{OUTPUT}/model.tar.gz")) == {"seen.json"}
    assert cloud.archive(f"{OUTPUT}/output.tar.gz") == {"metrics.json": "{}"}
    assert not list((cloud.folder / "models/training").iterdir())


async def test_a_container_sees_what_sagemaker_lays_out_and_nothing_of_ours(cloud: Cloud) -> None:
    cloud.store.put("s3://bucket/held/out/b.csv", "3")
    channels = [
        channel("training", "s3://bucket/data"),
        channel("holdout", "s3://bucket/held/", ContentType="text/csv"),
    ]

    await cloud.run(InputDataConfig=channels, Environment={"DEPTH": "3", "FLYBALL_PACKAGE": "other"})

    seen = json.loads(cloud.archive(f"{OUTPUT}/model.tar.gz")["seen.json"])
    assert seen["verb"] == ["train"]
    assert seen["files"] == {"training/a.csv": "1,2", "holdout/out/b.csv": "3"}
    assert seen["hyperparameters"] == {"do": "train"}
    plain = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    assert seen["inputdataconfig"] == {"training": plain, "holdout": {**plain, "ContentType": "text/csv"}}
    assert seen["resourceconfig"]["current_host"] == "algo-1"
    assert seen["resourceconfig"]["current_instance_type"] == "ml.g6e.xlarge"
    environment = seen["environment"]
    assert environment["TRAINING_JOB_NAME"] == "job"
    assert environment["TRAINING_JOB_ARN"] == f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/job"
    assert environment["AWS_ACCESS_KEY_ID"] == f"key of {ROLE}"
    assert (environment["DEPTH"], environment["FLYBALL_PACKAGE"]) == ("3", "other")
    assert {"USER", "PWD", "PYTEST_CURRENT_TEST"}.isdisjoint(environment)


async def test_an_isolated_job_gets_no_credentials(cloud: Cloud) -> None:
    await cloud.run(EnableNetworkIsolation=True)

    seen = json.loads(cloud.archive(f"{OUTPUT}/model.tar.gz")["seen.json"])
    assert "AWS_ACCESS_KEY_ID" not in seen["environment"]


async def test_a_manifest_names_the_objects_of_a_channel(cloud: Cloud) -> None:
    cloud.store.put("s3://other/deep/one.csv", "1")
    cloud.store.put("s3://other/deep/two.csv", "2")
    cloud.store.put("s3://bucket/manifest", [{"prefix": "s3://other/"}, "deep/one.csv"])

    await cloud.run(InputDataConfig=[channel("training", "s3://bucket/manifest", kind="ManifestFile")])

    seen = json.loads(cloud.archive(f"{OUTPUT}/model.tar.gz")["seen.json"])
    assert seen["files"] == {"training/deep/one.csv": "1"}


async def test_log_lines_go_to_the_stream_of_the_jobs_host(cloud: Cloud) -> None:
    await cloud.run()

    stamp = int(cloud.clock.now().timestamp())
    assert dict(cloud.logs) == {
        f"/aws/sagemaker/TrainingJobs job/algo-1-{stamp}": [
            "epoch 1 accuracy=0.5; loss=1e-1",
            "epoch 2 accuracy=0.75; loss=nothing",
        ]
    }


async def test_metrics_are_the_last_numbers_that_their_expressions_find(cloud: Cloud) -> None:
    definitions = [
        {"Name": "accuracy", "Regex": r"accuracy=([0-9.]+)"},
        {"Name": "loss", "Regex": r"loss=(\S+)"},
        {"Name": "absent", "Regex": "f1=(.*)"},
    ]
    algorithm = {"TrainingImage": IMAGE, "TrainingInputMode": "File", "MetricDefinitions": definitions}

    job = await cloud.run(AlgorithmSpecification=algorithm)

    found = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    assert found == {"accuracy": 0.75, "loss": 0.1}


async def test_a_failure_has_its_reason_and_its_exit_code(cloud: Cloud) -> None:
    job = await cloud.run("fail")

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"].startswith("AlgorithmError: ValueError: no labels\n\nxxx")
    assert job["FailureReason"].endswith("xxx, exit code: 3")
    assert len(job["FailureReason"]) == 1024
    assert cloud.archive(f"{OUTPUT}/model.tar.gz") == {"weights.txt": "some"}


async def test_a_killed_container_fails_with_the_exit_code_that_docker_gives(cloud: Cloud) -> None:
    job = await cloud.run("die")

    assert job["FailureReason"] == "AlgorithmError: , exit code: 137"


async def test_a_stopped_job_keeps_what_it_saved(cloud: Cloud) -> None:
    cloud.create("wait")
    await cloud.until_it_waits()

    cloud.operations.stop({"TrainingJobName": "job"})
    during = cloud.described()
    await cloud.settle()

    job = cloud.described()
    assert (during["TrainingJobStatus"], during["SecondaryStatus"]) == ("Stopping", "Stopping")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert steps(job) == ["Starting", "Downloading", "Training", "Stopping", "Uploading", "Stopped"]
    assert "FailureReason" not in job
    assert cloud.archive(f"{OUTPUT}/model.tar.gz") == {"weights.txt": "half"}


async def test_a_job_that_does_not_heed_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    async with running_cloud(tmp_path, InMemoryDocuments(), grace_seconds=0.2) as cloud:
        cloud.create("ignore")
        await cloud.until_it_waits()

        cloud.operations.stop({"TrainingJobName": "job"})
        await cloud.settle()

        assert cloud.described()["TrainingJobStatus"] == "Stopped"


async def test_a_job_runs_no_longer_than_it_may(cloud: Cloud) -> None:
    cloud.create("wait")
    await cloud.until_it_waits()

    cloud.clock.advance(600)
    await cloud.settle()

    job = cloud.described()
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert (job["TrainingTimeInSeconds"], job["BillableTimeInSeconds"]) == (600, 600)
    assert (job["TrainingEndTime"] - job["TrainingStartTime"]).total_seconds() == 600


async def test_a_spot_job_waits_no_longer_than_it_may(cloud: Cloud) -> None:
    stopping = {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 700}
    cloud.create("wait", EnableManagedSpotTraining=True, StoppingCondition=stopping)
    cloud.clock.advance(200)
    await cloud.until_it_waits()

    cloud.clock.advance(500)
    await cloud.settle()

    assert cloud.described()["SecondaryStatus"] == "MaxWaitTimeExceeded"


async def test_checkpoints_are_brought_back_and_kept_up_to_date_while_a_job_runs(cloud: Cloud) -> None:
    cloud.store.put("s3://bucket/saved/1.pt", "first")
    cloud.create("checkpoint", CheckpointConfig={"S3Uri": "s3://bucket/saved"})
    await cloud.until_it_waits()

    await until(lambda: "s3://bucket/saved/deep/2.pt" in cloud.store.uris())
    cloud.operations.stop({"TrainingJobName": "job"})
    await cloud.settle()

    assert cloud.store.get("s3://bucket/saved/deep/2.pt") == b"second"
    assert "s3://bucket/saved/1.pt" not in cloud.store.encryption


async def test_a_job_finds_the_checkpoints_of_a_former_one(cloud: Cloud) -> None:
    cloud.store.put("s3://bucket/saved/1.pt", "first")

    await cloud.run(CheckpointConfig={"S3Uri": "s3://bucket/saved", "LocalPath": "/opt/ml/checkpoints"})

    assert json.loads(cloud.archive(f"{OUTPUT}/model.tar.gz")["seen.json"])["checkpoints"] == ["1.pt"]


async def test_outputs_are_encrypted_with_the_key_that_is_named(cloud: Cloud) -> None:
    await cloud.run(OutputDataConfig={"S3OutputPath": "s3://bucket/out", "KmsKeyId": "alias/flyball"})

    expected = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/flyball"}
    assert cloud.store.encryption == {f"{OUTPUT}/model.tar.gz": expected, f"{OUTPUT}/output.tar.gz": expected}


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("s3://bucket/none", "ClientError: No S3 objects found under S3 URL"),
        ("s3://bucket/odd/", "ClientError: Failed to download data. The key odd/../../escape names no file"),
        ("s3://bucket/both/", "ClientError: Failed to download data. Please check your s3 objects"),
    ],
)
async def test_data_that_cannot_be_had_fails_the_job_before_it_trains(cloud: Cloud, uri: str, reason: str) -> None:
    for key in ("odd/../../escape", "both/file", "both/file/below"):
        cloud.store.put(f"s3://bucket/{key}", "1")

    job = await cloud.run(InputDataConfig=[channel("training", uri)])

    assert job["FailureReason"].startswith(reason)
    assert steps(job) == ["Starting", "Downloading", "Failed"]


async def test_an_artifact_that_cannot_be_stored_fails_the_job(cloud: Cloud) -> None:
    cloud.store.full_buckets.add("bucket")

    job = await cloud.run()

    assert job["FailureReason"].startswith("ClientError: Artifact upload failed:")
    assert steps(job) == ["Starting", "Downloading", "Training", "Uploading", "Failed"]


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("s3:ListBucket", "ClientError: Data download failed:AccessDenied (403): not so"),
        ("s3:GetObject", "ClientError: Data download failed:AccessDenied (403): not so"),
        ("s3:PutObject", "ClientError: Artifact upload failed:AccessDenied (403): not so"),
        ("kms:GenerateDataKey", "ClientError: Artifact upload failed:AccessDenied (403): not so"),
    ],
)
async def test_a_job_fails_where_its_role_may_not(cloud: Cloud, action: str, reason: str) -> None:
    cloud.refusals[action] = "not so"

    job = await cloud.run(OutputDataConfig={"S3OutputPath": "s3://bucket/out", "KmsKeyId": "key"})

    assert (job["TrainingJobStatus"], job["FailureReason"]) == ("Failed", reason)


async def test_lines_of_a_role_that_may_not_write_logs_are_lost(cloud: Cloud) -> None:
    cloud.refusals["logs:CreateLogStream"] = "not so"

    job = await cloud.run()

    assert (job["TrainingJobStatus"], cloud.lines) == ("Completed", [])


async def test_a_role_that_may_not_pull_the_image_cannot_start_a_job(cloud: Cloud) -> None:
    cloud.refusals["ecr:BatchGetImage"] = "not so"

    with pytest.raises(
        ServiceException, match=r"Cannot find repository: flyball in registry ID: 123456789012 .*not so"
    ):
        cloud.create()

    assert list(cloud.board.jobs()) == []


async def test_a_role_that_sagemaker_may_not_assume_cannot_start_a_job(cloud: Cloud) -> None:
    cloud.refusals["sts:AssumeRole"] = "not so"

    with pytest.raises(ServiceException, match=rf"Could not assume role {ROLE}\. Please ensure that the role exists"):
        cloud.create()


async def test_a_name_is_taken_until_its_job_has_ended_and_was_deleted(cloud: Cloud) -> None:
    cloud.create("wait")
    await cloud.until_it_waits()

    with pytest.raises(ServiceException, match="Training job names must be unique") as taken:
        cloud.create()
    with pytest.raises(ServiceException, match="is InProgress; only one that is Completed") as running:
        cloud.operations.delete({"TrainingJobName": "job"})
    cloud.operations.stop({"TrainingJobName": "job"})
    await until(lambda: cloud.described()["TrainingJobStatus"] == "Stopped")
    cloud.operations.delete({"TrainingJobName": "job"})
    job = await cloud.run()

    assert (taken.value.code, running.value.code) == ("ResourceInUse", "ResourceInUse")
    assert job["TrainingJobStatus"] == "Completed"


async def test_a_job_that_has_ended_cannot_be_stopped(cloud: Cloud) -> None:
    await cloud.run()

    with pytest.raises(ServiceException, match="rejected because the training job is in status Completed"):
        cloud.operations.stop({"TrainingJobName": "job"})


async def test_jobs_are_listed_with_their_status(cloud: Cloud) -> None:
    await cloud.run()
    cloud.clock.advance(1)
    await cloud.run("fail", TrainingJobName="second")

    every = cloud.operations.list({})["TrainingJobSummaries"]
    failed = cloud.operations.list({"StatusEquals": "Failed"})["TrainingJobSummaries"]

    assert [job["TrainingJobName"] for job in every] == ["job", "second"]
    assert [(job["TrainingJobName"], job["SecondaryStatus"]) for job in failed] == [("second", "Failed")]


async def test_the_jobs_beyond_the_seats_wait_as_starting_and_can_be_stopped(tmp_path: Path) -> None:
    async with running_cloud(tmp_path, InMemoryDocuments(), at_once=1) as cloud:
        cloud.create("wait")
        await cloud.until_it_waits()
        for name in ("second", "third"):
            cloud.create("train", TrainingJobName=name)
        await asyncio.sleep(0)
        waiting = cloud.described("second")["SecondaryStatus"]

        cloud.operations.stop({"TrainingJobName": "second"})
        await until(lambda: cloud.described("second")["TrainingJobStatus"] == "Stopped")
        still = cloud.described("third")["SecondaryStatus"]
        cloud.operations.stop({"TrainingJobName": "job"})
        await cloud.settle()

        assert (waiting, still) == ("Starting", "Starting")
        assert steps(cloud.described("second")) == ["Starting", "Stopping", "Stopped"]
        assert "TrainingStartTime" not in cloud.described("second")
        assert cloud.described("third")["TrainingJobStatus"] == "Completed"


async def test_a_cloud_that_ends_leaves_no_job_in_progress(tmp_path: Path) -> None:
    documents = InMemoryDocuments()
    async with running_cloud(tmp_path, documents) as cloud:
        cloud.create("wait")
        await cloud.until_it_waits()

    (record,) = documents.records.values()
    assert record["TrainingJobStatus"] == "Failed"
    assert record["FailureReason"] == "InternalServerError: the local cloud ended while this job was in progress."


async def test_what_a_killed_cloud_left_in_progress_has_failed_in_the_next_one(cloud: Cloud) -> None:
    documents, earlier = InMemoryDocuments(), InMemoryDocuments()
    await cloud.run()
    cloud.create("wait", TrainingJobName="second")
    for job in cloud.board.jobs():
        documents.put(job["TrainingJobName"], job)
    earlier.records.update(documents.records)

    fail_interrupted(JobBoard(documents), cloud.clock)

    assert documents.get("job") == earlier.get("job")
    second = documents.get("second")
    assert second is not None
    assert (second["TrainingJobStatus"], second["SecondaryStatus"]) == ("Failed", "Failed")
    assert second["FailureReason"].startswith("InternalServerError: ")
