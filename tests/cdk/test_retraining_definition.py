"""The retraining loop's definition is one that Step Functions takes, and that always comes to one of its ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator

from cdk.retraining_definition import LOOK_SECONDS, Loop, most_looks, retraining_definition
from cdk.retraining_jobs import Jobs, evaluation_instance_type
from local.services.states.checks import problems_of
from model_packages.contract import PackageConfig
from model_packages.discovery import ModelPackage
from tests.cdk.synth import CONFIG, ROOT, Json, walk

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:flyball-flowers-retraining"
ROLE = "arn:aws:iam::123456789012:role/jobs"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
PRIVATE = {"subnet_ids": ("subnet-1", "subnet-2"), "security_group_ids": ("sg-1",)}
ASL_VALIDATOR = ROOT / "node_modules" / "asl-validator" / "dist" / "bin" / "asl-validator.js"

APPROVED: Json = {"retraining": {"approval": True, "approval_hours": 48}}
ON_SPOT: Json = {"training": {"spot": True, "instances": 2, "maximum_runtime_minutes": 20, "maximum_wait_minutes": 90}}
VARIANTS: Mapping[str, Json] = {"plain": {}, "approved": APPROVED, "on spare capacity": ON_SPOT}
ENDS = {
    "Promoted": "Succeed",
    "Rejected": "Succeed",
    "Skipped": "Succeed",
    "RolledBack": "Fail",
    "Failed": "Fail",
    "TimedOut": "Fail",
}


def package(**sections: Any) -> ModelPackage:
    return ModelPackage(
        name="flowers", path=Path("flowers"), config=PackageConfig.model_validate({**CONFIG, **sections})
    )


def definition(*, network: Mapping[str, tuple[str, ...]] | None = None, **sections: Any) -> Json:
    jobs = Jobs(image_uri="repository:tag", role_arn=ROLE, key_arn=KEY, **(network or {}))
    return retraining_definition(Loop(package=package(**sections), function_arn=FUNCTION, jobs=jobs))


def tasks(found: Json) -> dict[str, Json]:
    return {name: state for name, state in found["States"].items() if state["Type"] == "Task"}


def targets(state: Json) -> Iterator[str]:
    """Where a state may go on to."""
    for table in walk(state):
        if isinstance(table, dict):
            yield from (table[key] for key in ("Next", "Default") if key in table)


def reached_from(found: Json, start: str) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += targets(found["States"][name])
    return reached


@pytest.mark.parametrize("sections", VARIANTS.values(), ids=VARIANTS.keys())
def test_step_functions_own_schema_takes_it(tmp_path: Path, sections: Json) -> None:
    path = tmp_path / "definition.json"
    path.write_text(json.dumps(definition(**sections)), encoding="utf-8")
    node = Path(sys.executable).with_name("node")

    finished = subprocess.run(
        [node, ASL_VALIDATOR, "--json-path", path], capture_output=True, text=True, check=False, timeout=60
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize("sections", VARIANTS.values(), ids=VARIANTS.keys())
def test_the_local_cloud_finds_nothing_wrong_with_it(sections: Json) -> None:
    assert problems_of(json.dumps(definition(network=PRIVATE, **sections))) == []


@pytest.mark.parametrize("sections", VARIANTS.values(), ids=VARIANTS.keys())
@pytest.mark.parametrize("network", [None, PRIVATE], ids=["anywhere", "private"])
def test_each_job_is_asked_for_as_sagemakers_own_model_has_it(
    sections: Json, network: Mapping[str, tuple[str, ...]] | None
) -> None:
    found = definition(network=network, **sections)
    sagemaker = get_session().get_service_model("sagemaker")

    for state, operation in (("Train", "CreateTrainingJob"), ("Evaluate", "CreateProcessingJob")):
        shape = sagemaker.operation_model(operation).input_shape
        report = ParamValidator().validate(found["States"][state]["Arguments"], shape)

        assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize("sections", VARIANTS.values(), ids=VARIANTS.keys())
def test_every_state_is_reached_and_leads_to_an_end(sections: Json) -> None:
    found = definition(**sections)

    assert reached_from(found, found["StartAt"]) == found["States"].keys()
    assert all(reached_from(found, name) & ENDS.keys() for name in found["States"])


def test_there_is_an_end_for_each_outcome_and_no_other() -> None:
    states = definition()["States"]

    ends = {name: state["Type"] for name, state in states.items() if state["Type"] in ("Succeed", "Fail")}

    assert ends == ENDS
    assert {state["Error"] for name, state in states.items() if state["Type"] == "Fail"} == {
        name for name, kind in ENDS.items() if kind == "Fail"
    }


@pytest.mark.parametrize("sections", VARIANTS.values(), ids=VARIANTS.keys())
def test_every_task_ends_in_time_is_tried_again_and_caught(sections: Json) -> None:
    for name, task in tasks(definition(**sections)).items():
        assert task["TimeoutSeconds"] > 0, name
        assert task["Retry"], name
        assert task["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name
        assert {catcher["Next"] for catcher in task["Catch"]} == {"Failed" if name == "Conclude" else "Conclude"}, name


def test_what_aws_asks_to_try_later_is_tried_later_and_not_by_all_at_once() -> None:
    for name, task in tasks(definition()).items():
        for retrier in task["Retry"]:
            if retrier["ErrorEquals"] != ["EndpointBusy"]:
                assert retrier["BackoffRate"] > 1, name
                assert retrier["JitterStrategy"] == "FULL", name


def test_an_error_that_is_no_wish_to_wait_is_not_tried_again() -> None:
    names = {
        name for task in tasks(definition()).values() for retrier in task["Retry"] for name in retrier["ErrorEquals"]
    }

    assert not names & {"States.ALL", "States.TaskFailed", "States.Timeout"}


def test_a_timeout_is_told_apart_from_a_failure() -> None:
    for name, task in tasks(definition(**APPROVED)).items():
        if name != "Conclude":
            *_, timeout, rest = task["Catch"]

            assert "States.Timeout" in timeout["ErrorEquals"]
            assert "'outcome': 'timed_out'" in timeout["Assign"]["facts"]
            assert "'outcome': 'failed'" in rest["Assign"]["facts"]


def test_a_person_is_asked_only_where_the_package_wants_it() -> None:
    asked, unasked = definition(**APPROVED)["States"], definition()["States"]

    assert "Approve" not in unasked
    assert asked["Approve"]["Resource"] == "arn:aws:states:::lambda:invoke.waitForTaskToken"
    assert asked["Approve"]["TimeoutSeconds"] == 48 * 3600
    assert [choice["Next"] for choice in asked["Registered"]["Choices"]] == ["Approve", "Conclude"]
    assert [choice["Next"] for choice in unasked["Registered"]["Choices"]] == ["RollOut", "Conclude"]


def test_a_run_trains_with_what_the_first_version_was_trained_with() -> None:
    training = {"seed": 7, "hyperparameters": {"epochs": 12, "optimizer": "adam", "rate": 0.1, "deep": True}}

    arguments = definition(training=training)["States"]["Train"]["Arguments"]

    assert arguments["HyperParameters"] == {
        "seed": "7",
        "epochs": "12",
        "optimizer": '"adam"',
        "rate": "0.1",
        "deep": "true",
    }


def test_spare_capacity_may_be_waited_for_and_is_gone_on_from() -> None:
    arguments = definition(**ON_SPOT)["States"]["Train"]["Arguments"]

    assert arguments["EnableManagedSpotTraining"] is True
    assert arguments["StoppingCondition"] == {"MaxRuntimeInSeconds": 1200, "MaxWaitTimeInSeconds": 5400}
    assert arguments["CheckpointConfig"] == {"S3Uri": "{% $facts.data.checkpoints_uri %}"}
    assert arguments["ResourceConfig"]["InstanceCount"] == 2


def test_a_job_on_demand_asks_for_no_spare_capacity() -> None:
    arguments = definition()["States"]["Train"]["Arguments"]

    assert arguments["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600}
    assert not {"EnableManagedSpotTraining", "CheckpointConfig"} & arguments.keys()


@pytest.mark.parametrize("sections", VARIANTS.values(), ids=VARIANTS.keys())
def test_the_loop_waits_longer_for_a_job_than_the_job_may_take(sections: Json) -> None:
    for task in tasks(definition(**sections)).values():
        limits = task["Arguments"].get("StoppingCondition", {}).values()

        assert all(task["TimeoutSeconds"] > limit for limit in limits)


def test_volumes_are_encrypted_with_the_key_where_sagemaker_takes_one() -> None:
    network_disk = definition(training={"instance_type": "ml.m5.xlarge"})
    own_disk = definition(training={"instance_type": "ml.g5.xlarge"})

    def keys(found: Json) -> list[Any]:
        return [
            table["VolumeKmsKeyId"] for table in walk(found) if isinstance(table, dict) and "VolumeKmsKeyId" in table
        ]

    assert keys(network_disk) == [KEY, KEY]
    assert keys(own_disk) == []


def test_what_a_job_makes_is_encrypted_and_its_container_has_no_network() -> None:
    states = definition(network=PRIVATE)["States"]
    train, evaluate = states["Train"]["Arguments"], states["Evaluate"]["Arguments"]
    vpc = {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}

    assert train["OutputDataConfig"]["KmsKeyId"] == evaluate["ProcessingOutputConfig"]["KmsKeyId"] == KEY
    assert (train["EnableNetworkIsolation"], train["VpcConfig"]) == (True, vpc)
    assert evaluate["NetworkConfig"] == {"EnableNetworkIsolation": True, "VpcConfig": vpc}


def test_both_jobs_run_the_image_that_serves() -> None:
    states = definition()["States"]
    train, evaluate = states["Train"]["Arguments"], states["Evaluate"]["Arguments"]

    assert train["AlgorithmSpecification"]["TrainingImage"] == evaluate["AppSpecification"]["ImageUri"]
    assert evaluate["AppSpecification"]["ContainerArguments"] == ["evaluate"]
    assert train["Environment"] == evaluate["Environment"] == {"FLYBALL_PACKAGE": "flowers"}


@pytest.mark.parametrize(
    ("training", "endpoint", "chosen"),
    [
        ("ml.m5.xlarge", "ml.g6.xlarge", "ml.m5.xlarge"),
        ("ml.p4d.24xlarge", "ml.g6.xlarge", "ml.g6.xlarge"),
        ("ml.p4d.24xlarge", "ml.c6i.large", "ml.p4d.24xlarge"),
    ],
)
def test_an_evaluation_runs_on_what_sagemaker_has_for_it(training: str, endpoint: str, chosen: str) -> None:
    config = package(training={"instance_type": training}, endpoint={"instance_type": endpoint}).config

    assert evaluation_instance_type(config) == chosen


def test_a_rollout_is_watched_for_longer_than_sagemaker_may_take() -> None:
    config = package(rollout={"strategy": "linear", "step_percent": 10, "bake_minutes": 30}).config

    assert most_looks(config) * LOOK_SECONDS > config.rollout.longest_minutes * 60


def test_an_execution_ends_after_everything_that_may_happen_in_it() -> None:
    found = definition(**APPROVED)

    assert found["TimeoutSeconds"] > sum(task["TimeoutSeconds"] for task in tasks(found).values())


def test_it_is_small_enough_for_step_functions() -> None:
    """1 MB for all; one that is near it could not take a longer ARN."""
    assert len(json.dumps(definition(network=PRIVATE, **APPROVED))) < 100_000
