"""CreateProcessingJob's request: what AWS refuses at once, what is not implemented here, and the job that is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from local.services.sagemaker.processing.spark import ENTRYPOINT, SPARK_REPOSITORY, repository_of
from local.services.sagemaker.service_model import check, invalid

LONGEST_RUN_SECONDS: Final = 86_400.0
ML_ROOT: Final = PurePosixPath("/opt/ml")
REFUSED: Final = ("ProcessingOutputConfig.Outputs", "ExperimentConfig", "AppSpecification.ContainerRuntimeConfig")
"""Members that ask for something that is not done here."""

ONLY_IN_AN_INPUT: Final[Mapping[str, tuple[object, ...]]] = {
    "S3Input.S3DataType": ("S3Prefix",),
    "S3Input.S3InputMode": ("File",),
    "S3Input.S3CompressionType": ("None",),
}
"""Members of an input of which these values alone are done here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """Objects that are copied before the job starts, into a folder below the job's own."""

    name: str
    uri: str
    folder: PurePosixPath


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingPlan:
    """What a processing job shall do. Immutable."""

    name: str
    arn: str
    role_arn: str
    image: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    inputs: tuple[Input, ...]
    instance_type: str
    request: Mapping[str, Any]
    network_isolated: bool = False
    longest_run_seconds: float = LONGEST_RUN_SECONDS


def check_request(request: Mapping[str, Any]) -> None:
    """Raises AWSValidationException for what AWS refuses, and for what nobody here can do."""
    check("CreateProcessingJob", request)
    if found := list(_unsupported(request)):
        raise invalid(f"the local cloud does not implement this CreateProcessingJob: {'; '.join(found)}")
    names = [each["InputName"] for each in request.get("ProcessingInputs") or ()]
    if len(set(names)) < len(names):
        raise invalid(f"InputNames must be unique within a processing job; found {', '.join(names)}.")


def plan_of(request: Mapping[str, Any], *, arn: str) -> ProcessingPlan:
    """The plan of a request that was checked."""
    app, stopping = request["AppSpecification"], request.get("StoppingCondition") or {}
    return ProcessingPlan(
        name=request["ProcessingJobName"],
        arn=arn,
        role_arn=request["RoleArn"],
        image=app["ImageUri"],
        arguments=tuple(app.get("ContainerArguments") or ()),
        environment=request.get("Environment") or {},
        inputs=tuple(_input(each) for each in request.get("ProcessingInputs") or ()),
        instance_type=request["ProcessingResources"]["ClusterConfig"]["InstanceType"],
        request=request,
        network_isolated=bool((request.get("NetworkConfig") or {}).get("EnableNetworkIsolation")),
        longest_run_seconds=float(stopping.get("MaxRuntimeInSeconds") or LONGEST_RUN_SECONDS),
    )


def _unsupported(request: Mapping[str, Any]) -> Iterator[str]:
    for path in REFUSED:
        if _at(request, path):
            yield path
    app = request["AppSpecification"]
    if (repository := repository_of(app["ImageUri"])) != SPARK_REPOSITORY:
        yield f"AppSpecification.ImageUri of the repository {repository}; allowed: {SPARK_REPOSITORY}"
    if (entrypoint := app.get("ContainerEntrypoint")) not in (None, [ENTRYPOINT]):
        yield f"AppSpecification.ContainerEntrypoint {entrypoint}; allowed: [{ENTRYPOINT}]"
    for each in request.get("ProcessingInputs") or ():
        yield from (f"input {each['InputName']}: {problem}" for problem in _input_problems(each))


def _input_problems(each: Mapping[str, Any]) -> Iterator[str]:
    if not each.get("S3Input"):
        yield "DatasetDefinition; allowed: S3Input"
        return
    for path, allowed in ONLY_IN_AN_INPUT.items():
        value = _at(each, path)
        if value is not None and value not in allowed:
            yield f"{path} {value}; allowed: {', '.join(map(str, allowed))}"
    folder = PurePosixPath(each["S3Input"].get("LocalPath") or "")
    if not folder.is_relative_to(ML_ROOT / "processing") or ".." in folder.parts:
        yield f"S3Input.LocalPath {folder}; allowed: a folder below {ML_ROOT}/processing"


def _input(each: Mapping[str, Any]) -> Input:
    source = each["S3Input"]
    folder = PurePosixPath(source["LocalPath"]).relative_to(ML_ROOT)
    return Input(name=each["InputName"], uri=source["S3Uri"], folder=folder)


def _at(document: Mapping[str, Any], path: str) -> Any:
    """The member at a dotted path; None where a part of it is missing."""
    value: Any = document
    for name in path.split("."):
        value = (value or {}).get(name)
    return value
