"""Whether SageMaker has the instance types, and whether the image can use what they are made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cdk.instances import has_local_disks
from cdk.preflight.endpoints import Endpoint, endpoints
from cdk.preflight.findings import Finding, error, warning
from cdk.preflight.hardware import Use, host, instance_types, similar
from cdk.preflight.installation import Installation, Stack, text_of, walk
from model_packages.discovery import ModelPackage

UNKNOWN_FOR_ENDPOINTS = error(
    "endpoint-instance-type", "SageMaker has no such instance type for endpoints: CreateEndpointConfig is refused."
)
UNKNOWN_FOR_TRAINING = error(
    "training-instance-type", "SageMaker has no such instance type for training jobs: CreateTrainingJob is refused."
)
ARM = error(
    "arm-instance-type", "The instance has an Arm processor, and the image is built for x86_64: it would not start."
)
NEURON = error(
    "accelerator-without-driver",
    "The instance's accelerator needs another build of torch: it would be paid for and left idle.",
    rests_on_estimate=True,
)
IDLE_GPUS = warning("idle-gpus", "The instance has several GPUs, and the model server computes on the first alone.")
KMS_ON_LOCAL_DISKS = error(
    "kms-on-local-disks",
    "The instance type encrypts its own NVMe disks, and SageMaker refuses a KMS key for them, at endpoints as at jobs.",
)
RULES = (UNKNOWN_FOR_ENDPOINTS, UNKNOWN_FOR_TRAINING, ARM, NEURON, IDLE_GPUS, KMS_ON_LOCAL_DISKS)


def check(installation: Installation) -> Iterator[Finding]:
    """Looks at package.toml, at every variant, and at every job that a template describes."""
    for _, package in installation.packages:
        yield from _training_findings(package)
    for endpoint in endpoints(installation):
        for variant in endpoint.all_variants:
            yield from _variant_findings(endpoint, variant.get("InstanceType"))
        yield from _endpoint_key_findings(endpoint)
    for stack in installation.stacks:
        yield from _job_key_findings(stack)


def _training_findings(package: ModelPackage) -> Iterator[Finding]:
    chosen = package.config.training.instance_type
    if chosen not in instance_types("training"):
        yield UNKNOWN_FOR_TRAINING.broken(
            f"{package.name}/package.toml, training.instance_type",
            **_unknown(chosen, use="training"),
            package=package.name,
        )


def _variant_findings(endpoint: Endpoint, chosen: str | None) -> Iterator[Finding]:
    if chosen is None:  # a serverless variant
        return
    where = _place(endpoint)
    serving = host(chosen)
    if chosen not in instance_types("endpoint"):
        yield UNKNOWN_FOR_ENDPOINTS.broken(where, **_unknown(chosen, use="endpoint"), package=endpoint.package)
    elif serving.is_arm:
        yield ARM.broken(
            where,
            found=f"{chosen}, an Arm processor",
            allowed="an instance type with an x86_64 processor",
            change="a family without the g after its number, such as ml.c7i or ml.m7i",
            package=endpoint.package,
        )
    elif serving.is_neuron:
        yield NEURON.broken(
            where,
            found=f"{chosen}, whose accelerator the image has no driver for",
            allowed="a CPU or an NVIDIA GPU",
            change="a type of ml.g6, ml.g5 or ml.c7i",
            package=endpoint.package,
        )
    if serving.gpus > 1:
        yield IDLE_GPUS.broken(
            where,
            found=f"{chosen} with {serving.gpus} GPUs",
            allowed="one GPU an instance, as far as the model server goes",
            change="a size with one GPU, and more instances of it",
            package=endpoint.package,
        )


def _endpoint_key_findings(endpoint: Endpoint) -> Iterator[Finding]:
    if endpoint.config is None or "KmsKeyId" not in endpoint.config.properties:
        return
    for variant in endpoint.all_variants:
        if has_local_disks(variant.get("InstanceType", "")):
            yield KMS_ON_LOCAL_DISKS.broken(
                endpoint.config.where,
                found=f"KmsKeyId with {variant['InstanceType']}",
                allowed="no KmsKeyId",
                change="leave KmsKeyId out where cdk/instances.py says has_local_disks",
                package=endpoint.package,
            )


def _job_key_findings(stack: Stack) -> Iterator[Finding]:
    for resource in stack.resources():
        for table in walk(_definition(resource.properties, stack)):
            if (
                isinstance(table, dict)
                and "VolumeKmsKeyId" in table
                and has_local_disks(str(table.get("InstanceType", "")))
            ):
                yield KMS_ON_LOCAL_DISKS.broken(
                    resource.where,
                    found=f"VolumeKmsKeyId with {table['InstanceType']}",
                    allowed="no VolumeKmsKeyId",
                    change="leave VolumeKmsKeyId out where cdk/instances.py says has_local_disks",
                    package=stack.package_name,
                )


def _definition(properties: Any, stack: Stack) -> Any:
    """The properties, or what a state machine's definition says where it stands as text."""
    text = properties.get("DefinitionString")
    if text is None:
        return properties
    try:
        return json.loads(text_of(text, stack))
    except ValueError:  # a reference stands where JSON wants a number: nothing of it can be read
        return properties


def _unknown(chosen: str, *, use: Use) -> dict[str, str]:
    return {
        "found": chosen,
        "allowed": f"a type that SageMaker has for {use}s" if use == "endpoint" else "a type for training jobs",
        "change": f"{similar(chosen, use)}",
    }


def _place(endpoint: Endpoint) -> str:
    if endpoint.package is not None:
        return f"{endpoint.package}/package.toml, endpoint.instance_type"
    return (endpoint.config or endpoint.resource).where
