"""A training job on several instances: each host has its own folders, and the first one's version is the job's."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from local.documents import InMemoryDocuments
from local.services.sagemaker.plan import ImageFolder
from model_packages.checkpoints import SLOTS
from model_packages.dataset import read_records, split_holdout, write_records
from model_packages.discovery import ROOT, read_package
from tests.local.services.sagemaker.training.training_cloud import OUTPUT, Cloud, channel, running_cloud, steps, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

TWO: dict[str, Any] = {"ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 10}}
SPOT: dict[str, Any] = {
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


async def test_each_host_knows_all_of_them_and_the_first_ones_model_is_the_jobs(cloud: Cloud) -> None:
    job = await cloud.run("meet", **TWO)

    found = cloud.archive(f"{OUTPUT}/model.tar.gz")
    resources = json.loads(found["algo-1"])["resourceconfig"]
    assert job["TrainingJobStatus"] == "Completed"
    assert set(found) == {"algo-1"}
    assert (resources["current_host"], resources["hosts"]) == ("algo-1", ["algo-1", "algo-2"])
    assert sorted(cloud.lines) == ["algo-1 is here", "algo-2 is here"]
    assert sorted(stream.split("/")[-1][:6] for stream in cloud.logs) == ["algo-1", "algo-2"]
    assert json.loads(found["algo-1"])["environment"]["MASTER_ADDR"] == "127.0.0.1"


async def test_a_channel_that_is_divided_gives_each_host_a_part(cloud: Cloud) -> None:
    for name in "bcd":
        cloud.store.put(f"s3://bucket/data/{name}.csv", name)
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/data", "S3DataDistributionType": "ShardedByS3Key"}
    divided = channel("training", "") | {"DataSource": {"S3DataSource": source}}

    await cloud.run("meet", InputDataConfig=[divided], **TWO)

    files = json.loads(cloud.archive(f"{OUTPUT}/model.tar.gz")["algo-1"])["files"]
    assert set(files) == {"training/a.csv", "training/c.csv"}


async def test_one_host_that_fails_ends_the_others_and_gives_the_reason(cloud: Cloud) -> None:
    job = await cloud.run("fail elsewhere", **TWO)

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: ValueError: on the second, exit code: 4"


async def test_an_interruption_of_one_host_is_one_of_the_job(cloud: Cloud) -> None:
    cloud.create("wait", **TWO, **SPOT)
    await until(lambda: cloud.lines.count("waiting") == 2)

    os.kill(max(cloud.children.running, key=lambda child: child.name).pid, signal.SIGKILL)
    await until(lambda: cloud.lines.count("waiting") == 4)
    cloud.operations.stop({"TrainingJobName": "job"})
    await cloud.settle()

    assert "Interrupted" in steps(cloud.described())
    assert cloud.described()["TrainingJobStatus"] == "Stopped"


async def test_two_instances_train_a_version_that_passes_its_gate(tmp_path: Path) -> None:
    package = read_package(ROOT / "payments")
    config, image = package.config.training, ImageFolder(ROOT.parent, {"FLYBALL_PACKAGE": "payments"})
    learned, held_out = split_holdout(
        read_records(package.path / config.data), fraction=config.holdout_fraction, how=config.holdout, seed=config.seed
    )

    async with running_cloud(tmp_path, InMemoryDocuments(), image=image) as cloud:
        for name, records in (("training", learned), ("holdout", held_out)):
            write_records(records, tmp_path / f"{name}.jsonl")
            cloud.store.put(f"s3://bucket/{name}/a.jsonl", (tmp_path / f"{name}.jsonl").read_bytes())
        job = await cloud.run(
            HyperParameters={name: json.dumps(value) for name, value in config.hyperparameters.items()},
            InputDataConfig=[channel(name, f"s3://bucket/{name}/") for name in ("training", "holdout")],
            CheckpointConfig={"S3Uri": "s3://bucket/saved/"},
            **TWO,
        )

        assert job["TrainingJobStatus"] == "Completed", cloud.lines
        manifest = json.loads(cloud.archive_bytes(f"{OUTPUT}/model.tar.gz")["flyball.json"])
        assert manifest["metrics"][package.config.gate.metric] >= package.config.gate.minimum
        assert cloud.store.uris() >= {f"s3://bucket/saved/{name}" for name in SLOTS}
