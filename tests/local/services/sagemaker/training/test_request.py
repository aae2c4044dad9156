"""CreateTrainingJob's request: what AWS refuses, what is not implemented here, and the plan that is left."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.core.exceptions import ServiceException

from local.services.sagemaker.training.inputs import base_of
from local.services.sagemaker.training.request import check_request, plan_of

ARN = "arn:aws:sagemaker:us-east-1:123456789012:training-job/job"
SOURCE = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/data"}}
ALGORITHM = {"TrainingImage": "image", "TrainingInputMode": "File"}
PLAN = "arn:aws:sagemaker:us-east-1:123456789012:training-plan/plan"
RESOURCES = {"InstanceType": "ml.g6e.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10}


def request(**members: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": "job",
        "RoleArn": "arn:aws:iam::123456789012:role/training",
        "AlgorithmSpecification": ALGORITHM,
        "InputDataConfig": [{"ChannelName": "training", "DataSource": SOURCE}],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out/"},
        "ResourceConfig": RESOURCES,
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        **members,
    }


def channel(**members: Any) -> dict[str, Any]:
    return {"InputDataConfig": [{"ChannelName": "training", "DataSource": SOURCE, **members}]}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"ResourceConfig": {**RESOURCES, "TrainingPlanArn": PLAN}}, "ResourceConfig.TrainingPlanArn"),
        ({"AlgorithmSpecification": {**ALGORITHM, "TrainingInputMode": "Pipe"}}, "TrainingInputMode Pipe; allowed"),
        ({"AlgorithmSpecification": {**ALGORITHM, "ContainerEntrypoint": ["sh"]}}, "ContainerEntrypoint"),
        ({"OutputDataConfig": {"S3OutputPath": "s3://b/o", "CompressionType": "NONE"}}, "CompressionType NONE"),
        ({"ProfilerConfig": {"DisableProfiler": False}}, "ProfilerConfig.DisableProfiler False; allowed: True"),
        ({"DebugHookConfig": {"S3OutputPath": "s3://b/o"}}, "DebugHookConfig"),
        ({"RemoteDebugConfig": {"EnableRemoteDebug": True}}, "RemoteDebugConfig.EnableRemoteDebug"),
        (channel(CompressionType="Gzip"), "channel training: CompressionType Gzip; allowed: None"),
        (channel(InputMode="Pipe"), "channel training: InputMode Pipe; allowed: File, FastFile"),
        (channel(ShuffleConfig={"Seed": 1}), "channel training: ShuffleConfig"),
        (
            channel(DataSource={"S3DataSource": {"S3DataType": "AugmentedManifestFile", "S3Uri": "s3://b/m"}}),
            "S3DataType AugmentedManifestFile; allowed: S3Prefix, ManifestFile",
        ),
        (
            {"CheckpointConfig": {"S3Uri": "s3://b/c", "LocalPath": "/var/checkpoints"}},
            "CheckpointConfig.LocalPath /var/checkpoints; allowed: a folder below /opt/ml",
        ),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(members: dict[str, Any], message: str) -> None:
    with pytest.raises(ServiceException) as refusal:
        check_request(request(**members))

    assert "the local cloud does not implement" in str(refusal.value)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"TrainingJobName": "a_b"}, "Value 'a_b' at 'trainingJobName' failed to satisfy constraint"),
        ({"ResourceConfig": {**RESOURCES, "InstanceType": "ml.huge"}}, "at 'resourceConfig.instanceType' failed"),
        ({"ResourceConfig": None}, "ResourceConfig.InstanceType is required"),
        ({"AlgorithmSpecification": {"TrainingInputMode": "File"}}, "either TrainingImage or AlgorithmName"),
        ({"InputDataConfig": [*channel()["InputDataConfig"]] * 2}, "ChannelNames must be unique"),
        (channel(DataSource={}), "channel training has no DataSource"),
        ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds"),
        (
            {
                "EnableManagedSpotTraining": True,
                "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 599},
            },
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 700}},
            "MaxWaitTimeInSeconds can only be set when EnableManagedSpotTraining is true",
        ),
        (
            {"AlgorithmSpecification": {**ALGORITHM, "MetricDefinitions": [{"Name": "a", "Regex": "(["}]}},
            "The Regex of metric a is not valid",
        ),
        (
            {"AlgorithmSpecification": {**ALGORITHM, "MetricDefinitions": [{"Name": "a", "Regex": "a=1"}]}},
            "The Regex of metric a needs one capture group: a=1",
        ),
    ],
)
def test_what_aws_refuses_at_once_is_refused(members: dict[str, Any], message: str) -> None:
    with pytest.raises(ServiceException) as refusal:
        check_request(request(**members))

    assert refusal.value.code == "ValidationException"
    assert message in str(refusal.value)


def test_a_plan_has_what_the_request_leaves_open() -> None:
    asked = request(StoppingCondition={}, CheckpointConfig={"S3Uri": "s3://bucket/saved/"})
    check_request(asked)

    plan = plan_of(asked, arn=ARN)

    assert plan.longest_run_seconds == 86_400
    assert plan.longest_wait_seconds is None
    assert plan.checkpoints == (PurePosixPath("checkpoints"), "s3://bucket/saved")
    assert plan.output_uri == "s3://bucket/out"
    assert plan.channels[0].mode == "File"


def test_the_hosts_of_a_job_are_in_the_order_that_each_of_them_is_told() -> None:
    plan = plan_of(request(ResourceConfig={**RESOURCES, "InstanceCount": 11}), arn=ARN)

    assert plan.hosts[:4] == ("algo-1", "algo-10", "algo-11", "algo-2")


@pytest.mark.parametrize(
    ("prefix", "key", "file"),
    [
        ("data", "data/a.csv", "a.csv"),
        ("data/", "data/deep/a.csv", "deep/a.csv"),
        ("data/a.csv", "data/a.csv", "a.csv"),
        ("data/part", "data/part-1/a.csv", "part-1/a.csv"),
        ("", "a.csv", "a.csv"),
    ],
)
def test_a_file_is_named_by_what_follows_the_prefixs_folder(prefix: str, key: str, file: str) -> None:
    assert key.removeprefix(base_of(prefix, key)) == file


@given(prefix=st.text("ab/", max_size=6), rest=st.text("ab/", min_size=1, max_size=6))
def test_a_key_below_a_prefix_starts_with_its_base(prefix: str, rest: str) -> None:
    key = prefix + rest

    assert key.startswith(base_of(prefix, key))
