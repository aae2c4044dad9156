"""What happens to interrupted training jobs: somebody ends their processes, or the cloud itself ends."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from local.documents import InMemoryDocuments
from tests.local.services.sagemaker.training.training_cloud import OUTPUT, Cloud, running_cloud, steps, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

CHECKPOINTS = {"S3Uri": "s3://bucket/saved"}
SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 700},
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with running_cloud(tmp_path, InMemoryDocuments()) as cloud:
        yield cloud


def end_process(cloud: Cloud, number: signal.Signals) -> None:
    (child,) = cloud.children.running
    os.kill(child.pid, number)


async def until_it_waits_again(cloud: Cloud, times: int = 2) -> None:
    await until(lambda: cloud.lines.count("waiting") == times)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_spot_job_whose_process_somebody_ends_goes_on_from_its_checkpoints(
    cloud: Cloud, number: signal.Signals
) -> None:
    cloud.create("resume", CheckpointConfig=CHECKPOINTS, **SPOT)
    await cloud.until_it_waits()

    end_process(cloud, number)
    await cloud.settle()

    job = cloud.described()
    assert job["TrainingJobStatus"] == "Completed"
    assert steps(job) == [
        *("Starting", "Downloading", "Training", "Interrupted"),
        *("Starting", "Downloading", "Training", "Uploading", "Completed"),
    ]
    assert "FailureReason" not in job
    assert cloud.archive(f"{OUTPUT}/model.tar.gz") == {"weights.txt": "half"}
    assert cloud.lines == ["waiting", "The training was interrupted; it is started again."]


async def test_while_a_spot_job_waits_for_instances_nothing_is_billed(cloud: Cloud) -> None:
    cloud.create("resume", CheckpointConfig=CHECKPOINTS, **SPOT)
    await cloud.until_it_waits()
    cloud.clock.advance(100)
    cloud.when("Interrupted", lambda: cloud.clock.advance(50))

    end_process(cloud, signal.SIGKILL)
    await cloud.settle()

    job = cloud.described()
    assert (job["TrainingTimeInSeconds"], job["BillableTimeInSeconds"]) == (150, 100)


async def test_a_spot_job_is_interrupted_no_longer_than_it_may_wait(cloud: Cloud) -> None:
    cloud.create("wait", **SPOT)
    await cloud.until_it_waits()
    cloud.clock.advance(500)
    cloud.when("Interrupted", lambda: cloud.clock.advance(200))

    end_process(cloud, signal.SIGKILL)
    await cloud.settle()

    job = cloud.described()
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    assert steps(job)[-4:] == ["Interrupted", "Stopping", "Uploading", "MaxWaitTimeExceeded"]


async def test_a_spot_job_runs_no_longer_than_it_may_in_all(cloud: Cloud) -> None:
    cloud.create("wait", **(SPOT | {"StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 3600}}))
    await cloud.until_it_waits()
    cloud.clock.advance(400)
    end_process(cloud, signal.SIGKILL)
    await until_it_waits_again(cloud)

    cloud.clock.advance(200)
    await cloud.settle()

    assert cloud.described()["SecondaryStatus"] == "MaxRuntimeExceeded"


async def test_a_spot_job_that_fails_by_itself_has_failed(cloud: Cloud) -> None:
    job = await cloud.run("fail", **SPOT)

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ValueError: no labels")


async def test_a_spot_job_that_waits_for_instances_can_be_stopped(cloud: Cloud) -> None:
    cloud.create("wait", **SPOT)
    await cloud.until_it_waits()
    cloud.when("Interrupted", lambda: cloud.operations.stop({"TrainingJobName": "job"}))

    end_process(cloud, signal.SIGKILL)
    await cloud.settle()

    assert cloud.described()["TrainingJobStatus"] == "Stopped"


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGKILL, "AlgorithmError: , exit code: 137"),
        (signal.SIGTERM, "AlgorithmError: stopped by SIGTERM, exit code: 143"),
    ],
)
async def test_without_spot_a_process_that_somebody_ends_fails_the_job(
    cloud: Cloud, number: signal.Signals, reason: str
) -> None:
    cloud.create("wait")
    await cloud.until_it_waits()

    end_process(cloud, number)
    await cloud.settle()

    job = cloud.described()
    assert (job["TrainingJobStatus"], job["FailureReason"]) == ("Failed", reason)


@pytest.mark.parametrize("members", [{}, SPOT])
async def test_a_job_of_a_cloud_that_ended_goes_on_in_the_next_one(tmp_path: Path, members: dict[str, Any]) -> None:
    documents = InMemoryDocuments()
    async with running_cloud(tmp_path, documents) as former:
        former.create("resume", CheckpointConfig=CHECKPOINTS, **members)
        await former.until_it_waits()
        await until(lambda: "s3://bucket/saved/done.txt" in former.store.uris())
    left = former.described()

    async with running_cloud(tmp_path, documents) as cloud:
        cloud.store.objects.update(former.store.objects)
        cloud.jobs.resume()
        await cloud.settle()

        job = cloud.described()
        assert (left["TrainingJobStatus"], left["SecondaryStatus"]) == ("InProgress", "Training")
        assert job["TrainingJobStatus"] == "Completed"
        assert steps(job) == [*steps(left), "Starting", "Downloading", "Training", "Uploading", "Completed"]
        assert job["TrainingStartTime"] == left["TrainingStartTime"]
        assert cloud.lines == ["The local cloud ended while this job was in progress; it is started again."]
        assert cloud.archive(f"{OUTPUT}/model.tar.gz") == {"weights.txt": "half"}


async def test_a_job_that_was_being_stopped_is_stopped_in_the_next_cloud(tmp_path: Path) -> None:
    documents = InMemoryDocuments()
    async with running_cloud(tmp_path, documents) as former:
        former.create("ignore")
        await former.until_it_waits()
        former.operations.stop({"TrainingJobName": "job"})

    async with running_cloud(tmp_path, documents) as cloud:
        cloud.jobs.resume()
        await cloud.settle()

        job = cloud.described()
        assert (job["TrainingJobStatus"], job["SecondaryStatus"], cloud.lines) == ("Stopped", "Stopped", [])


async def test_jobs_that_waited_for_a_seat_and_jobs_that_ended_are_what_they_were(tmp_path: Path) -> None:
    documents = InMemoryDocuments()
    async with running_cloud(tmp_path, documents, at_once=1) as former:
        former.create("fail", TrainingJobName="ended")
        await former.settle()
        ended = former.described("ended")
        former.create("wait")
        await former.until_it_waits()
        former.create("train", TrainingJobName="second")

    async with running_cloud(tmp_path, documents, at_once=1) as cloud:
        cloud.store.objects.update(former.store.objects)
        cloud.jobs.resume()
        await cloud.until_it_waits()
        waiting = cloud.described("second")
        cloud.operations.stop({"TrainingJobName": "job"})
        await cloud.settle()

        assert cloud.described("ended") == ended
        assert waiting["SecondaryStatus"] == "Starting"
        assert cloud.described("second")["TrainingJobStatus"] == "Completed"
