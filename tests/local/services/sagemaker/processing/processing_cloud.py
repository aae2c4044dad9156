"""A cloud of processing jobs alone: the API, real processes, and everything else in memory."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from local.clock import ManualClock
from local.documents import Documents, InMemoryDocuments
from local.processes import Children
from local.services.sagemaker.model_server import Machine
from local.services.sagemaker.plan import ImageFolder
from local.services.sagemaker.processing.image import Container
from local.services.sagemaker.processing.jobs import ProcessingJobs
from local.services.sagemaker.processing.operations import ProcessingOperations
from local.services.sagemaker.processing.record import Job
from local.services.sagemaker.processing.run import ProcessingMachine
from local.services.sagemaker.processing.spark import NoSpark
from local.services.sagemaker.training.board import JobBoard
from model_packages.errors import OperatorError
from tests.local.services.sagemaker.object_store import InMemoryObjects

ACCOUNT, REGION = "123456789012", "us-east-1"
SPARK = f"173754725891.dkr.ecr.{REGION}.amazonaws.com/sagemaker-spark-processing:3.5-cpu-py312-v1"
OWN = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/flyball:digits"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/processing"
DEADLINE_SECONDS = 20
PROCESSOR = Path(__file__).with_name("fake_processor.py")


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
    documents: Documents

    def request(self, do: str = "say", **members: Any) -> dict[str, Any]:
        return {
            "ProcessingJobName": "job",
            "RoleArn": ROLE,
            "AppSpecification": {
                "ImageUri": SPARK,
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

    def own(self, do: str = "say", **members: Any) -> dict[str, Any]:
        """What is another in a request for a package's own image."""
        cluster = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}
        return {
            "AppSpecification": {"ImageUri": OWN, "ContainerArguments": [do]},
            "ProcessingOutputConfig": {"Outputs": [output_of("evidence", "s3://bucket/evidence/")]},
            "ProcessingResources": {"ClusterConfig": cluster},
            **members,
        }

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


def output_of(name: str, uri: str, **members: Any) -> dict[str, Any]:
    target = {"S3Uri": uri, "LocalPath": "/opt/ml/processing/output", "S3UploadMode": "EndOfJob"}
    return {"OutputName": name, "S3Output": {**target, **members}}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


def fake_spark(arguments: Sequence[str], root: Path) -> Container:
    return Container([sys.executable, str(PROCESSOR), *arguments], {"FLYBALL_ML_ROOT": str(root)}, root)


@asynccontextmanager
async def running_cloud(
    folder: Path, documents: Documents | None = None, *, longest: Callable[[float], Any] = asyncio.sleep
) -> AsyncIterator[Cloud]:
    image = folder / "image"
    (image / "container").mkdir(parents=True, exist_ok=True)
    shutil.copy(PROCESSOR, image / "container" / "__main__.py")

    def images(uri: str) -> ImageFolder:
        if uri != OWN:
            raise OperatorError(f"no asset has the tag of {uri}")
        return ImageFolder(image, {"FLYBALL_PACKAGE": "digits"})

    def log(group: str, stream: str, lines: Sequence[str]) -> None:
        logs[f"{group} {stream}"].extend(lines)

    def require() -> None:
        if missing:
            raise NoSpark(f"needs {missing[0]}")

    logs: dict[str, list[str]] = defaultdict(list)
    refusals: dict[str, str] = {}
    changes: list[tuple[Job, Job]] = []
    missing: list[str] = []
    kept = documents or InMemoryDocuments()
    async with Children() as children, aiohttp.ClientSession() as session:
        store = InMemoryObjects()
        board = JobBoard(kept, changed=lambda before, after: changes.append((before, after)))
        machine = Machine(
            children=children,
            session=session,
            store=store,
            images=images,
            folder=folder / "models",
            clock=ManualClock(),
            log=log,
            sleep=longest,
            role_environment=lambda role, _session: {"AWS_ACCESS_KEY_ID": f"key of {role}"},
            may=lambda _role, action, _resource, _context=None: refusals.get(action),
            trusts=lambda _role, service: "sts:AssumeRole" not in refusals and service == "sagemaker.amazonaws.com",
        )
        jobs = ProcessingJobs(
            ProcessingMachine(machine=machine, board=board, require=require, spark=fake_spark, grace_seconds=20.0)
        )
        later = asyncio.get_running_loop().call_soon_threadsafe
        operations = ProcessingOperations(jobs.surroundings, jobs=jobs, later=later)
        yield Cloud(operations, jobs, store, logs, refusals, changes, missing, folder, kept)
        await jobs.close()
