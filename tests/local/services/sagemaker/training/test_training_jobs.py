"""Training jobs with real processes behind them, from CreateTrainingJob to what lies in S3."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from moto.core.exceptions import ServiceException

from local.documents import InMemoryDocuments
from tests.local.services.sagemaker.training.training_cloud import (
    ACCOUNT,
    IMAGE,
    OUTPUT,
    REGION,
    ROLE,
    Cloud,
    channel,
    running_cloud,
    steps,
    until,
)

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


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


@pytest.mark.parametrize(("refused", "left"), [([], {"2.pt"}), (["s3:DeleteObject"], {"1.pt", "2.pt"})])
async def test_a_checkpoint_that_a_container_deletes_is_deleted_in_s3_where_the_role_may(
    cloud: Cloud, refused: list[str], left: set[str]
) -> None:
    cloud.refusals |= dict.fromkeys(refused, "not so")
    for name in ("1.pt", "2.pt"):
        cloud.store.put(f"s3://bucket/saved/{name}", "first")
    cloud.create("tidy", CheckpointConfig={"S3Uri": "s3://bucket/saved"})
    await cloud.until_it_waits()

    cloud.operations.stop({"TrainingJobName": "job"})
    await cloud.settle()

    assert {uri.rpartition("/")[2] for uri in cloud.store.uris() if "/saved/" in uri} == left


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
