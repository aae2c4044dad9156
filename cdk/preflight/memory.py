"""Whether the weights fit the memory of the instance that serves them."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

from cdk.preflight.findings import Finding, error, warning
from cdk.preflight.hardware import GIB, Host, host
from cdk.preflight.installation import Installation
from cdk.preflight.weights import Weights, weights_of
from model_packages.contract import PackageConfig
from model_packages.discovery import ModelPackage

CUDA_CONTEXT_GIB = 0.75
"""The driver's context and the libraries' work areas on the device, before the first tensor."""
AUTOCAST_FACTOR = 1.5
"""Autocast keeps the float32 weights and, during a forward pass, a half-precision copy beside them."""
ACTIVATIONS_A_BATCH_BYTE = 8
"""Allowed for each input byte of the largest batch: the batch itself and what the layers make of it."""
PROCESS_GIB = 1.0
"""Python with torch, before the model."""
LOADING_FACTOR = 2.0
"""While it loads, the file's tensors and the module's lie in memory together."""

UNREADABLE = error("artifact-unreadable", "The model.tar.gz is damaged: the endpoint's container could not unpack it.")
GPU_TOO_SMALL = error(
    "weights-exceed-gpu",
    "Weights and CUDA context alone are larger than the memory of one GPU: the container would fail while it loads.",
    rests_on_estimate=True,
)
GPU_TIGHT = warning(
    "gpu-memory-tight",
    "Weights, CUDA context and an allowance for the largest batch are together larger than the memory of one GPU.",
)
HOST_TOO_SMALL = error(
    "weights-exceed-memory",
    "Loading the model takes more than the instance's memory: the container would be killed.",
    rests_on_estimate=True,
)
RULES = (UNREADABLE, GPU_TOO_SMALL, GPU_TIGHT, HOST_TOO_SMALL)


def check(installation: Installation) -> Iterator[Finding]:
    """Compares each first version with its package's instance type; a type that is not known here says nothing."""
    for _, package in installation.packages:
        artifact = installation.artifacts.get(package.name)
        if artifact is not None:
            yield from _check_package(package, artifact)


def _check_package(package: ModelPackage, artifact: Path) -> Iterator[Finding]:
    try:
        weights = weights_of(artifact)
    except (OSError, tarfile.TarError, ValueError, KeyError) as problem:
        yield UNREADABLE.broken(
            str(artifact),
            found=f"{type(problem).__name__}: {problem}",
            allowed="a gzipped tar as training leaves it",
            change=f"run `flyball train {package.name}`",
            package=package.name,
        )
        return
    serving = host(package.config.endpoint.instance_type)
    if serving.gpu is not None:
        yield from _gpu_findings(package, weights, serving)
    yield from _host_findings(package, weights, serving)


def _gpu_findings(package: ModelPackage, weights: Weights, serving: Host) -> Iterator[Finding]:
    if serving.gpu is None:
        return
    resident_gib = weights.size_bytes * _factor(package.config) / GIB + CUDA_CONTEXT_GIB
    activations_gib = package.config.batching.maximum_bytes * ACTIVATIONS_A_BATCH_BYTE / GIB
    gpu = f"{serving.gpu.memory_gib:g} GiB of one {serving.gpu.name} ({serving.instance_type})"
    if resident_gib > serving.gpu.memory_gib:
        yield GPU_TOO_SMALL.broken(
            _instance_key(package),
            found=f"{resident_gib:.1f} GiB: {_described(weights)}, in {package.config.batching.precision}, and the "
            f"CUDA context ({CUDA_CONTEXT_GIB} GiB)",
            allowed=gpu,
            change="an instance type with more memory on one GPU, or a smaller model",
            package=package.name,
        )
    elif resident_gib + activations_gib > serving.gpu.memory_gib:
        yield GPU_TIGHT.broken(
            _instance_key(package),
            found=f"{resident_gib:.1f} GiB of weights and context, and {activations_gib:.1f} GiB for a batch of "
            f"batching.maximum_bytes ({package.config.batching.maximum_bytes})",
            allowed=gpu,
            change="batching.maximum_bytes to less, or an instance type with more memory on one GPU",
            package=package.name,
        )


def _host_findings(package: ModelPackage, weights: Weights, serving: Host) -> Iterator[Finding]:
    needed_gib = weights.size_bytes * LOADING_FACTOR / GIB + PROCESS_GIB
    if serving.memory_gib is not None and needed_gib > serving.memory_gib:
        yield HOST_TOO_SMALL.broken(
            _instance_key(package),
            found=f"{needed_gib:.1f} GiB while it loads: twice {_described(weights)}, and {PROCESS_GIB:g} GiB for the "
            "process",
            allowed=f"{serving.memory_gib:g} GiB of {serving.instance_type}",
            change="an instance type with more memory, or a smaller model",
            package=package.name,
        )


def _factor(config: PackageConfig) -> float:
    return 1.0 if config.batching.precision == "float32" else AUTOCAST_FACTOR


def _described(weights: Weights) -> str:
    return f"{weights.size_bytes / GIB:.2f} GiB of weights by {weights.by}"


def _instance_key(package: ModelPackage) -> str:
    return f"{package.name}/package.toml, endpoint.instance_type"
