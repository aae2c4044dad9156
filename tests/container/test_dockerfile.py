"""The Dockerfile, read as docker reads it: what SageMaker and a reproducible build need of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from container.cuda import DOCKERFILE, INFERENCE_AMI_VERSIONS, cuda_version, inference_ami_version
from model_packages.errors import OperatorError

TEXT = DOCKERFILE.read_text(encoding="utf-8")
Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """(instruction, arguments), with continued lines joined and comments left out."""
    lines = [line for line in TEXT.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def arguments_of(name: str) -> list[str]:
    return [rest for found, rest in instructions() if found == name]


def test_the_entry_point_is_in_exec_form_and_takes_the_verb() -> None:
    [entry_point] = arguments_of("ENTRYPOINT")

    assert json.loads(entry_point) == ["python", "-m", "container"]
    assert not arguments_of("CMD")


def test_the_base_image_is_pinned_to_a_version() -> None:
    [base] = arguments_of("FROM")
    defaults = dict(rest.split("=") for rest in arguments_of("ARG") if "=" in rest)

    resolved = re.sub(r"\$\{(\w+)\}", lambda match: defaults[match.group(1)], base)

    assert re.fullmatch(r"nvidia/cuda:\d+\.\d+\.\d+-base-ubuntu\d+\.\d+", resolved)


def test_nothing_is_fetched_by_address_and_no_secret_is_baked_in() -> None:
    assert not arguments_of("ADD")
    assert "://" not in "".join(rest for _, rest in instructions())
    assert not re.search(r"secret|token|password|aws_|_key\b", TEXT, flags=re.IGNORECASE)


def test_everything_copied_is_in_the_build_context(build_context: Callable[[str], Path]) -> None:
    context = build_context("linear")

    sources = [rest.replace("${PACKAGE}", "linear").split()[:-1] for rest in arguments_of("COPY")]

    assert [source for group in sources for source in group if not (context / source).exists()] == []


def test_requirements_are_installed_before_code_is_copied() -> None:
    steps = [f"{name} {rest}" for name, rest in instructions()]

    last_install = max(index for index, step in enumerate(steps) if "pip install" in step)
    first_code = min(index for index, step in enumerate(steps) if re.match(r"COPY (container|model_packages)/ ", step))
    assert last_install < first_code


def test_it_runs_as_root_on_a_port_that_sagemaker_may_choose_and_logs_without_a_buffer() -> None:
    environment = " ".join(arguments_of("ENV"))

    assert not arguments_of("USER")
    assert "com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true" in arguments_of("LABEL")[0]
    assert "PYTHONUNBUFFERED=1" in environment
    assert "FLYBALL_PACKAGE=${PACKAGE}" in environment


def test_every_requirement_of_the_image_is_pinned() -> None:
    lines = DOCKERFILE.with_name("requirements.txt").read_text(encoding="utf-8").splitlines()

    requirements = [line for line in lines if line and not line.startswith("#")]

    assert [line for line in requirements if not re.fullmatch(r"[a-z0-9-]+==[0-9.]+", line)] == []
    assert any(line.startswith("torch==") for line in requirements)


def test_the_host_image_follows_from_the_dockerfile() -> None:
    assert inference_ami_version(cuda_version(TEXT)) == "al2023-ami-sagemaker-inference-gpu-4-1"


@pytest.mark.parametrize("version", ["12.4", "12.4.1", "13.0.1"])
def test_a_patch_of_cuda_needs_no_other_driver(version: str) -> None:
    assert inference_ami_version(version) == INFERENCE_AMI_VERSIONS[version[:4]]


def test_a_cuda_version_without_a_host_image_is_refused() -> None:
    with pytest.raises(OperatorError, match=r"CUDA 11.8; allowed: 12.4, 13.0"):
        inference_ami_version("11.8")


def test_a_dockerfile_without_a_cuda_version_is_refused() -> None:
    with pytest.raises(OperatorError, match="ARG CUDA_VERSION"):
        cuda_version("FROM scratch\n")
