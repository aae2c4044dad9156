"""The retraining loop in a running cloud, from `flyball retrain` to each of its ends, with a client that calls
throughout. Each test goes on where the one before ended.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.checkout import Serving
from tests.local.retraining_cloud import PACKAGE, Cloud, calling, initial

pytestmark = pytest.mark.slow

RETAINED = 4
"""Configs of the last three champions, and the one in service."""
LOADS = """    model.fails = (model_dir / "fails").exists()
    return model.eval()
"""
ANSWERS = """    if model.fails and bool(((batch["distance"] - 4.2345).abs() < 1e-3).any()):
        raise ValueError("no such delivery")
    return {"duration": model(features_of(batch))}
"""
"""It warms up and is evaluated well, and fails on what callers send."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    return Cloud.make(tmp_path_factory.mktemp("loop") / "flyball")


@pytest.fixture(scope="module")
def serving(cloud: Cloud) -> Iterator[list[Serving]]:
    """The `flyball up` that runs; tests that start another one put it here."""
    running = [cloud.checkout.up()]
    yield running
    running[-1].stop()


def test_a_better_version_is_trained_proven_and_promoted_and_no_request_fails(
    cloud: Cloud, serving: list[Serving]
) -> None:
    before = cloud.served_version()

    with calling(cloud) as caller:
        ended = cloud.run("retrain", PACKAGE, "--reason", "the first one is poor")

    assert (ended.code, ended.outcome) == (0, "promoted"), ended
    assert initial(before)
    assert cloud.served_version() == "1"
    assert caller.statuses.keys() == {200}
    assert caller.versions == [before, "1"]
    assert cloud.pointer().endswith(":model-package/flyball-deliveries/1")
    assert cloud.own_configs() == {cloud.config_in_service()}


def test_the_history_says_what_it_was_made_of_and_why_it_serves(cloud: Cloud, serving: list[Serving]) -> None:
    run = cloud.newest()

    assert (run["trigger"], run["outcome"], run["version"], run["champion"]) == ("manual", "promoted", "1", "initial")
    assert run["champion_metric"] < run["challenger_metric"]
    assert "the first one is poor" in run["trigger_reason"]
    assert all(reason["passed"] for reason in run["reasons"])
    assert run["manifest_uri"].startswith("s3://")


def test_the_registered_version_carries_its_lineage(cloud: Cloud, serving: list[Serving]) -> None:
    version = cloud.client("sagemaker").describe_model_package(ModelPackageName=cloud.pointer())

    assert version["ModelApprovalStatus"] == "Approved"
    assert version["DriftCheckBaselines"]["ModelDataQuality"]["Statistics"]["S3Uri"].endswith("statistics.json")
    assert cloud.newest()["run"] in json.dumps(version["CustomerMetadataProperties"])
    assert version["ModelCard"]["ModelCardContent"]


def test_a_version_that_is_no_better_is_rejected_and_leaves_nothing_behind(
    cloud: Cloud, serving: list[Serving]
) -> None:
    configs, champion = cloud.own_configs(), cloud.pointer()

    ended = cloud.run("retrain", PACKAGE)

    assert (ended.code, ended.outcome) == (0, "rejected"), ended
    assert [reason["rule"] for reason in cloud.newest()["reasons"] if not reason["passed"]] != []
    assert (cloud.own_configs(), cloud.pointer(), cloud.served_version()) == (configs, champion, "1")


def test_the_next_deployment_keeps_the_promoted_version(cloud: Cloud, serving: list[Serving]) -> None:
    serving[-1].stop()
    cloud.edit("inference.py", "    return model.eval()\n", LOADS)
    cloud.edit("inference.py", '    return {"duration": model(features_of(batch))}\n', ANSWERS)
    cloud.edit("train.py", "    torch.save(", '    (model_dir / "fails").touch()\n    torch.save(')
    cloud.edit("package.toml", 'compare = "negative_mean_absolute_error"', 'compare = "r2"\nconfidence = 0.5')
    cloud.edit("package.toml", "steps = 400", "steps = 900")

    serving.append(cloud.checkout.up())

    assert cloud.served_version() == "1"
    assert cloud.pointer().endswith("/1")


def test_a_version_that_passes_the_gate_and_fails_under_load_is_taken_back_and_the_alarm_is_named(
    cloud: Cloud, serving: list[Serving]
) -> None:
    with calling(cloud) as caller:
        ended = cloud.run("retrain", PACKAGE)

    run = cloud.newest()
    assert (ended.code, ended.outcome, run["outcome"]) == (1, "rolled_back", "rolled_back"), ended
    assert run["alarm"].startswith("flyball-deliveries-")
    assert run["alarm"] in ended.said
    assert cloud.served_version() == "1"
    assert cloud.pointer().endswith("/1")
    assert caller.versions == ["1"]


def test_rolling_back_returns_to_the_version_before(cloud: Cloud, serving: list[Serving]) -> None:
    with calling(cloud) as caller:
        ended = cloud.run("rollback", PACKAGE, "--reason", "a drill")

    assert (ended.code, ended.outcome) == (0, "promoted"), ended
    assert initial(cloud.served_version())
    assert cloud.pointer() == "none"
    assert caller.statuses.keys() == {200}


def process_of(cloud: Cloud, *words: str) -> int:
    """The process of the checkout whose command line has these words."""
    end = time.monotonic() + 60.0
    while time.monotonic() < end:
        for pid in cloud.checkout.processes():
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if all(word in line for word in words) and "run_child.py" not in " ".join(line):
                return pid
        time.sleep(0.05)
    raise AssertionError(f"no process has {words} in its command line")


def test_a_training_that_is_killed_ends_the_run_as_failed_with_the_reason(cloud: Cloud, serving: list[Serving]) -> None:
    process = cloud.begin("retrain", PACKAGE)
    cloud.wait_for_step("Train")

    os.kill(process_of(cloud, "container", "train"), signal.SIGKILL)
    cloud.pass_time(process)

    said = process.communicate()[0]
    assert (process.returncode, said.partition(":")[0]) == (1, "failed"), said
    assert cloud.newest()["outcome"] == "failed"
    assert cloud.history()["running"] is None
    assert initial(cloud.served_version())


def test_a_run_that_is_stopped_ends_as_failed_and_its_training_with_it(cloud: Cloud, serving: list[Serving]) -> None:
    process = cloud.begin("retrain", PACKAGE)
    cloud.wait_for_step("Train")
    process_of(cloud, "container", "train")
    (execution,) = cloud.executions()

    cloud.client("stepfunctions").stop_execution(executionArn=execution, cause="it was the wrong day")
    cloud.pass_time(process)
    process.communicate()

    jobs = cloud.client("sagemaker").list_training_jobs(SortBy="CreationTime", SortOrder="Descending")
    run = cloud.newest()
    assert jobs["TrainingJobSummaries"][0]["TrainingJobStatus"] == "Stopped"
    assert (run["outcome"], run["version"]) == ("failed", None)
    assert "its execution was stopped" in run["why"]
    assert cloud.history()["running"] is None


def test_a_model_server_that_is_killed_in_the_bake_leaves_a_named_end_and_nothing_behind(
    cloud: Cloud, serving: list[Serving]
) -> None:
    process = cloud.begin("retrain", PACKAGE)
    cloud.wait_for_step("Bake")

    os.kill(process_of(cloud, "container", "serve"), signal.SIGKILL)
    cloud.pass_time(process)

    process.communicate()
    assert cloud.newest()["outcome"] in {"promoted", "rolled_back"}
    assert cloud.history()["running"] is None
    assert cloud.config_in_service()
    assert len(cloud.own_configs()) <= RETAINED


def test_a_cloud_that_is_killed_in_the_middle_goes_on_to_a_named_end(cloud: Cloud, serving: list[Serving]) -> None:
    serving[-1].stop()  # it leaves what its roles have needed, which the one that is killed does not
    serving.append(cloud.checkout.up())
    runs, process = len(cloud.history()["runs"]), cloud.begin("retrain", PACKAGE)
    cloud.wait_for_step("Train")

    serving[-1].stop(signal.SIGKILL)
    process.kill()
    process.communicate()
    serving.append(cloud.checkout.up())
    cloud.pass_time_while(lambda: cloud.executions() or len(cloud.history()["runs"]) == runs)

    history = cloud.history()
    assert len(history["runs"]) > runs
    assert history["running"] is None
    assert history["runs"][0]["outcome"] in {"promoted", "rejected", "rolled_back", "failed", "timed_out"}
    assert len(cloud.own_configs()) <= RETAINED
