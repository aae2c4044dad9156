"""Instance types, GPUs and their software: each rule has a case that breaks it, and the agreed templates break none."""

from __future__ import annotations

from typing import Any

import pytest

from cdk.preflight.hardware import host, instance_types
from cdk.preflight.installation import Installation
from cdk.preflight.instance_types import check as check_instance_types
from tests.cdk.preflight.templates import Flowers, Json, stack


def on(instance_type: str, **variant: Any) -> dict[str, Any]:
    """The edit that puts the endpoint on another instance type."""

    def edit(properties: Json) -> None:
        properties["ProductionVariants"][0].update({"InstanceType": instance_type, **variant})

    return {"AWS::SageMaker::EndpointConfig": edit}


def test_the_agreed_templates_have_no_findings(flowers: Flowers) -> None:
    assert flowers.findings() == []


@pytest.mark.parametrize(
    ("edits", "rule"),
    [
        (on("ml.g6.xlarg"), "endpoint-instance-type"),
        (on("ml.t3.medium"), "endpoint-instance-type"),
        (on("ml.c7g.large"), "arm-instance-type"),
        (on("ml.inf2.xlarge"), "accelerator-without-driver"),
        (on("ml.g6.12xlarge"), "idle-gpus"),
        (on("ml.p3.2xlarge"), "gpu-too-old"),
        (on("ml.g6.xlarge", InferenceAmiVersion="al2-ami-sagemaker-inference-gpu-3-1"), "inference-ami"),
        (on("ml.g6.xlarge", InferenceAmiVersion=None), "inference-ami"),
    ],
)
def test_an_instance_type_that_cannot_serve_is_found(flowers: Flowers, edits: dict[str, Any], rule: str) -> None:
    assert flowers.having(edits=edits).ids() == {rule}


def test_a_mistyped_instance_type_is_answered_with_those_like_it(flowers: Flowers) -> None:
    (finding,) = flowers.having(edits=on("ml.g6.xlarg")).findings()

    assert finding.where == "flowers/package.toml, endpoint.instance_type"
    assert "ml.g6.xlarge" in finding.change


def test_a_type_for_training_only_is_told_apart_from_one_for_endpoints(flowers: Flowers) -> None:
    trains_on_an_endpoints_type = flowers.having(sections={"training": {"instance_type": "ml.m6gd.large"}})
    trains_on_a_training_type = flowers.having(sections={"training": {"instance_type": "ml.m5.large"}})

    assert trains_on_an_endpoints_type.ids() == {"training-instance-type"}
    assert trains_on_a_training_type.ids() == set()


@pytest.mark.parametrize(
    ("instance_type", "rules"), [("ml.g6.xlarge", {"kms-on-local-disks"}), ("ml.c7i.large", set[str]())]
)
def test_a_kms_key_is_refused_on_local_disks_alone(flowers: Flowers, instance_type: str, rules: set[str]) -> None:
    def encrypt(properties: Json) -> None:
        properties["KmsKeyId"] = "arn:aws:kms:us-east-1:123456789012:key/1"
        properties["ProductionVariants"][0]["InstanceType"] = instance_type

    assert flowers.having(edits={"AWS::SageMaker::EndpointConfig": encrypt}).ids() == rules


@pytest.mark.parametrize(("instance_type", "count"), [("ml.g5.xlarge", 1), ("ml.m5.xlarge", 0)])
def test_a_kms_key_of_a_training_job_is_found_in_a_state_machine(instance_type: str, count: int) -> None:
    start = '{"States":{"Train":{"Parameters":{"ResourceConfig":{"InstanceType":"'
    definition = {"Fn::Join": ["", [start, instance_type, '","VolumeKmsKeyId":"', {"Ref": "Key"}, '"}}}}}']]}
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"DefinitionString": definition}}
    loop = stack({"Resources": {"Loop": machine, "Key": {"Type": "AWS::KMS::Key", "Properties": {}}}})

    findings = list(check_instance_types(Installation(stacks=(loop,), artifacts={}, cuda="13.0")))

    assert [finding.rule.id for finding in findings] == ["kms-on-local-disks"] * count


@pytest.mark.parametrize(
    ("instance_type", "precision", "rules"),
    [
        ("ml.g4dn.xlarge", "bfloat16", {"bfloat16-not-supported"}),
        ("ml.g4dn.xlarge", "float16", set[str]()),
        ("ml.g5.xlarge", "bfloat16", set[str]()),
        ("ml.c7i.large", "bfloat16", set[str]()),
    ],
)
def test_bfloat16_needs_a_gpu_that_computes_it(
    flowers: Flowers, instance_type: str, precision: str, rules: set[str]
) -> None:
    served = flowers.having(edits=on(instance_type), sections={"batching": {"precision": precision}})

    assert served.ids() == rules


def test_an_older_cuda_runs_older_gpus_with_its_own_driver(flowers: Flowers) -> None:
    volta = on("ml.p3.2xlarge", InferenceAmiVersion="al2-ami-sagemaker-inference-gpu-3-1")

    assert flowers.having(edits=volta, cuda="12.4.1").ids() == set()


def test_every_gpu_type_for_endpoints_is_known_with_its_gpu() -> None:
    families = ("ml.g", "ml.p")

    unknown = [name for name in instance_types("endpoint") if name.startswith(families) and host(name).gpu is None]

    assert unknown == []


@pytest.mark.parametrize(
    ("instance_type", "memory_gib", "gpus"),
    [
        ("ml.c7i.large", 4, 0),
        ("ml.m5.2xlarge", 32, 0),
        ("ml.r8g.medium", 8, 0),
        ("ml.t2.medium", 4, 0),
        ("ml.g6.xlarge", 16, 1),
        ("ml.g5.48xlarge", 768, 8),
        ("ml.p4d.24xlarge", 1152, 8),
    ],
)
def test_a_host_is_what_aws_says_of_it(instance_type: str, memory_gib: float, gpus: int) -> None:
    found = host(instance_type)

    assert (found.memory_gib, found.gpus) == (memory_gib, gpus)
