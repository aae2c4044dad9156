"""Whether driver, CUDA and the GPU's generation go together: the image's CUDA, the host image, the number format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cdk.preflight.endpoints import Endpoint, endpoints
from cdk.preflight.findings import Finding, error, warning
from cdk.preflight.hardware import Gpu, host
from cdk.preflight.installation import Installation, Json
from container.cuda import inference_ami_version

OLDEST_CAPABILITY: Mapping[int, tuple[int, int]] = {12: (5, 0), 13: (7, 5)}
"""The oldest GPUs that a CUDA release has binaries for; 13 dropped Maxwell, Pascal and Volta."""
BFLOAT16_CAPABILITY = (8, 0)

GPU_TOO_OLD = error(
    "gpu-too-old", "The CUDA release of the image has no binaries for this GPU: the first kernel fails."
)
WRONG_AMI = error(
    "inference-ami",
    "InferenceAmiVersion is not the one whose driver runs the image's CUDA: torch would find no device, and the "
    "endpoint would answer from the CPU of a GPU instance.",
)
NO_BFLOAT16 = warning(
    "bfloat16-not-supported",
    "The GPU does not compute bfloat16 itself: the model server computes in float32 instead.",
)
RULES = (GPU_TOO_OLD, WRONG_AMI, NO_BFLOAT16)


def check(installation: Installation) -> Iterator[Finding]:
    """Looks at every variant on an instance type with a GPU."""
    for endpoint in endpoints(installation):
        for variant in endpoint.all_variants:
            gpu = host(variant.get("InstanceType", "")).gpu
            if gpu is not None:
                yield from _age_findings(endpoint, gpu, installation.cuda)
                yield from _ami_findings(endpoint, variant, installation.cuda)
                yield from _precision_findings(endpoint, gpu)


def _age_findings(endpoint: Endpoint, gpu: Gpu, cuda: str) -> Iterator[Finding]:
    oldest = OLDEST_CAPABILITY.get(int(cuda.partition(".")[0]))
    if oldest is not None and gpu.capability < oldest:
        yield GPU_TOO_OLD.broken(
            _place(endpoint),
            found=f"a {gpu.name}, compute capability {_version(gpu.capability)}, with CUDA {cuda}",
            allowed=f"compute capability {_version(oldest)} or more",
            change="a newer family, such as ml.g4dn, ml.g5 or ml.g6",
            package=endpoint.package,
        )


def _ami_findings(endpoint: Endpoint, variant: Json, cuda: str) -> Iterator[Finding]:
    found, needed = variant.get("InferenceAmiVersion"), inference_ami_version(cuda)
    if found != needed:
        yield WRONG_AMI.broken(
            (endpoint.config or endpoint.resource).where,
            found=f"InferenceAmiVersion {found or 'not set'} with CUDA {cuda}",
            allowed=needed,
            change="ARG CUDA_VERSION in container/Dockerfile, or INFERENCE_AMI_VERSIONS in container/cuda.py",
            package=endpoint.package,
        )


def _precision_findings(endpoint: Endpoint, gpu: Gpu) -> Iterator[Finding]:
    package = endpoint.stack.package
    if package is None or package.config.batching.precision != "bfloat16":
        return
    if gpu.capability < BFLOAT16_CAPABILITY:
        yield NO_BFLOAT16.broken(
            f"{package.name}/package.toml, batching.precision",
            found=f"bfloat16 on a {gpu.name}",
            allowed="float16 or float32 before compute capability 8.0",
            change='precision = "float16", or an instance type of ml.g5 or ml.g6',
            package=package.name,
        )


def _place(endpoint: Endpoint) -> str:
    if endpoint.package is not None:
        return f"{endpoint.package}/package.toml, endpoint.instance_type"
    return (endpoint.config or endpoint.resource).where


def _version(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))
