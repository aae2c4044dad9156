"""A cloud of training jobs alone: the API, real processes, and everything else in memory."""

from __future__ import annotations

import asyncio
import io
import shutil
import tarfile
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from local.clock import ManualClock
from local.documents import InMemoryDocuments
from local.processes import Children
from local.services.sagemaker.model_server import Machine
from local.services.sagemaker.plan import ImageFolder
from local.services.sagemaker.training.board import JobBoard
from local.services.sagemaker.training.jobs import TrainingJobs
from local.services.sagemaker.training.operations import TrainingOperations
from local.services.sagemaker.training.record import Job
from local.services.sagemaker.training.run import TrainingMachine
from model_packages.errors import OperatorError
from tests.local.services.sagemaker.object_store import InMemoryObjects

ACCOUNT, REGION = "123456789012", "us-east-1"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/flyball:digits"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/training"
OUTPUT = "s3://bucket/out/job/output"
DEADLINE_SECONDS = 20


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

    children: Children
    then: dict[str, Callable[[], None]]
    """What is done as soon as a job has come to a secondary status."""

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
        return {name: content.decode() for name, content in self.archive_bytes(uri).items()}

    def archive_bytes(self, uri: str) -> dict[str, bytes]:
        """The files in a tar.gz that the job stored."""
        with tarfile.open(fileobj=io.BytesIO(self.store.get(uri))) as tar:
            files = {member.name: tar.extractfile(member) for member in tar.getmembers() if member.isfile()}
            return {name: file.read() for name, file in files.items() if file is not None}

    def when(self, step: str, do: Callable[[], None]) -> None:
        self.then[step] = do

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


def fake_image(folder: Path) -> ImageFolder:
    """An image whose container is fake_trainer.py."""
    (folder / "container").mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).with_name("fake_trainer.py"), folder / "container" / "__main__.py")
    return ImageFolder(folder, {"FLYBALL_PACKAGE": "digits"})


@asynccontextmanager
async def running_cloud(
    folder: Path,
    documents: InMemoryDocuments,
    *,
    at_once: int = 2,
    grace_seconds: float = 20.0,
    image: ImageFolder | None = None,
) -> AsyncIterator[Cloud]:
    container = image or fake_image(folder / "image")

    def images(uri: str) -> ImageFolder:
        if uri != IMAGE:
            raise OperatorError(f"no asset has the tag of {uri}")
        return container

    def log(group: str, stream: str, lines: Sequence[str]) -> None:
        logs[f"{group} {stream}"].extend(lines)

    logs: dict[str, list[str]] = defaultdict(list)
    refusals: dict[str, str] = {}
    then: dict[str, Callable[[], None]] = {}

    def changed(before: Job, after: Job) -> None:
        if before.get("SecondaryStatus") != after["SecondaryStatus"]:
            then.pop(after["SecondaryStatus"], lambda: None)()

    async with Children() as children, aiohttp.ClientSession() as session:
        clock, store, board = ManualClock(), InMemoryObjects(), JobBoard(documents, changed=changed)
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
            may=lambda _role, action, _resource, _context=None: refusals.get(action),
            trusts=lambda _role, service: "sts:AssumeRole" not in refusals and service == "sagemaker.amazonaws.com",
        )
        surroundings = TrainingMachine(machine=machine, board=board, grace_seconds=grace_seconds)
        jobs = TrainingJobs(surroundings, at_once=at_once)
        later = asyncio.get_running_loop().call_soon_threadsafe
        operations = TrainingOperations(surroundings, jobs=jobs, later=later)
        yield Cloud(operations, jobs, board, store, clock, folder, logs, refusals, children, then)
        await jobs.close()
