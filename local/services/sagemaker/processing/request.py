"""CreateProcessingJob's request: what AWS refuses at once, what is not implemented here, and the job that is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from local.services.sagemaker.processing.image import ML_ROOT
from local.services.sagemaker.processing.spark import ENTRYPOINT, SPARK_REPOSITORY, repository_of
from local.services.sagemaker.service_model import check, invalid

LONGEST_RUN_SECONDS: Final = 86_400.0
FILES: Final = ML_ROOT / "processing"
"""What inputs and outputs have to lie below."""

REFUSED: Final = ("ExperimentConfig", "AppSpecification.ContainerRuntimeConfig")
"""Members that ask for something that is not done here."""

ONLY_IN_AN_INPUT: Final[Mapping[str, tuple[object, ...]]] = {
    "S3Input.S3DataType": ("S3Prefix",),
    "S3Input.S3InputMode": ("File",),
    "S3Input.S3CompressionType": ("None",),
}
ONLY_IN_AN_OUTPUT: Final[Mapping[str, tuple[object, ...]]] = {
    "AppManaged": (False,),
    "S3Output.S3UploadMode": ("EndOfJob",),
}
"""Members of an input, and of an output, of which these values alone are done here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An input or output: a folder below the job's own, and the S3 prefix that it is copied from or to."""

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
    entrypoint: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    inputs: tuple[Place, ...]
    outputs: tuple[Place, ...]
    kms_key: str | None
    request: Mapping[str, Any]
    network_isolated: bool = False
    longest_run_seconds: float = LONGEST_RUN_SECONDS

    @property
    def is_spark(self) -> bool:
        """Whether the image is AWS's own, and not a package's."""
        return is_spark(self.image)


def is_spark(image: str) -> bool:
    return repository_of(image) == SPARK_REPOSITORY


def check_request(request: Mapping[str, Any]) -> None:
    """Raises AWSValidationException for what AWS refuses, and for what nobody here can do."""
    check("CreateProcessingJob", request)
    if found := list(_unsupported(request)):
        raise invalid(f"the local cloud does not implement this CreateProcessingJob: {'; '.join(found)}")
    _require_unique("InputNames", [each["InputName"] for each in request.get("ProcessingInputs") or ()])
    _require_unique("OutputNames", [each["OutputName"] for each in _outputs(request)])


def plan_of(request: Mapping[str, Any], *, arn: str) -> ProcessingPlan:
    """The plan of a request that was checked."""
    app, stopping = request["AppSpecification"], request.get("StoppingCondition") or {}
    outputs = request.get("ProcessingOutputConfig") or {}
    return ProcessingPlan(
        name=request["ProcessingJobName"],
        arn=arn,
        role_arn=request["RoleArn"],
        image=app["ImageUri"],
        entrypoint=tuple(app.get("ContainerEntrypoint") or ()),
        arguments=tuple(app.get("ContainerArguments") or ()),
        environment=request.get("Environment") or {},
        inputs=tuple(_place(each["InputName"], each["S3Input"]) for each in request.get("ProcessingInputs") or ()),
        outputs=tuple(_place(each["OutputName"], each["S3Output"]) for each in _outputs(request)),
        kms_key=outputs.get("KmsKeyId"),
        request=request,
        network_isolated=bool((request.get("NetworkConfig") or {}).get("EnableNetworkIsolation")),
        longest_run_seconds=float(stopping.get("MaxRuntimeInSeconds") or LONGEST_RUN_SECONDS),
    )


def _unsupported(request: Mapping[str, Any]) -> Iterator[str]:
    for path in REFUSED:
        if _at(request, path):
            yield path
    app, cluster = request["AppSpecification"], request["ProcessingResources"]["ClusterConfig"]
    if is_spark(app["ImageUri"]):
        if (entrypoint := app.get("ContainerEntrypoint")) not in (None, [ENTRYPOINT]):
            yield f"AppSpecification.ContainerEntrypoint {entrypoint} of AWS's Spark image; allowed: [{ENTRYPOINT}]"
    elif (count := cluster["InstanceCount"]) != 1:
        yield f"ProcessingResources.ClusterConfig.InstanceCount {count} of an image that is not Spark's; allowed: 1"
    for each in request.get("ProcessingInputs") or ():
        problems = _place_problems(each, "S3Input", instead_of="DatasetDefinition", only=ONLY_IN_AN_INPUT)
        yield from (f"input {each['InputName']}: {problem}" for problem in problems)
    for each in _outputs(request):
        problems = _place_problems(each, "S3Output", instead_of="FeatureStoreOutput", only=ONLY_IN_AN_OUTPUT)
        yield from (f"output {each['OutputName']}: {problem}" for problem in problems)


def _place_problems(
    each: Mapping[str, Any], member: str, *, instead_of: str, only: Mapping[str, tuple[object, ...]]
) -> Iterator[str]:
    if not each.get(member):
        yield f"{instead_of}; allowed: {member}"
        return
    for path, allowed in only.items():
        value = _at(each, path)
        if value is not None and value not in allowed:
            yield f"{path} {value}; allowed: {', '.join(map(str, allowed))}"
    folder = PurePosixPath(each[member].get("LocalPath") or "")
    if not folder.is_relative_to(FILES) or ".." in folder.parts:
        yield f"{member}.LocalPath {folder}; allowed: a folder below {FILES}"


def _require_unique(what: str, names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        raise invalid(f"{what} must be unique within a processing job; found {', '.join(names)}.")


def _outputs(request: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = (request.get("ProcessingOutputConfig") or {}).get("Outputs") or ()
    return found


def _place(name: str, source: Mapping[str, Any]) -> Place:
    folder = PurePosixPath(source["LocalPath"]).relative_to(ML_ROOT)
    return Place(name=name, uri=source["S3Uri"], folder=folder)


def _at(document: Mapping[str, Any], path: str) -> Any:
    """The member at a dotted path; None where a part of it is missing."""
    value: Any = document
    for name in path.split("."):
        value = (value or {}).get(name)
    return value
