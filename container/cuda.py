"""Which CUDA the image is built on, and which SageMaker host image has a driver for it. The Dockerfile's
`ARG CUDA_VERSION=` is the one place that says; torch-free, because the synth reads it from here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from model_packages.errors import OperatorError

DOCKERFILE = Path(__file__).with_name("Dockerfile")

INFERENCE_AMI_VERSIONS: Mapping[str, str] = {
    "13.0": "al2023-ami-sagemaker-inference-gpu-4-1",  # driver 580
    "12.4": "al2-ami-sagemaker-inference-gpu-3-1",  # driver 550
}


def cuda_version(dockerfile_text: str) -> str:
    """The CUDA version that the Dockerfile builds on, for example "13.0.1".

    Raises: OperatorError if no line says `ARG CUDA_VERSION=`.
    """
    found = re.search(r"^ARG CUDA_VERSION=(\d+\.\d+(?:\.\d+)?)\s*$", dockerfile_text, flags=re.MULTILINE)
    if found is None:
        raise OperatorError("the Dockerfile has no line `ARG CUDA_VERSION=`; allowed: one with a version like 13.0.1")
    return found.group(1)


def inference_ami_version(version: str) -> str:
    """The `InferenceAmiVersion` whose driver runs CUDA `version`.

    Raises: OperatorError if SageMaker has none.
    """
    release = ".".join(version.split(".")[:2])
    if release not in INFERENCE_AMI_VERSIONS:
        raise OperatorError(
            f"SageMaker has no inference AMI for CUDA {version}; allowed: {', '.join(sorted(INFERENCE_AMI_VERSIONS))}"
        )
    return INFERENCE_AMI_VERSIONS[release]
