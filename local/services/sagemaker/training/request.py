"""CreateTrainingJob's request: what AWS refuses at once, what is not implemented here, and the job that is left."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from local.services.sagemaker.artifact import bucket_and_key
from local.services.sagemaker.service_model import check, invalid

LONGEST_RUN_SECONDS: Final = 86_400
ML_ROOT: Final = PurePosixPath("/opt/ml")
REFUSED: Final = (
    "AlgorithmSpecification.AlgorithmName",
    "AlgorithmSpecification.ContainerEntrypoint",
    "AlgorithmSpecification.ContainerArguments",
    "ResourceConfig.InstanceGroups",
    "ResourceConfig.TrainingPlanArn",
    "ResourceConfig.InstancePlacementConfig",
    "ResourceConfig.InstancePreferences",
    "DebugHookConfig",
    "DebugRuleConfigurations",
    "ProfilerRuleConfigurations",
    "TensorBoardOutputConfig",
    "ExperimentConfig",
    "SessionChainingConfig",
    "ServerlessJobConfig",
    "MlflowConfig",
    "ModelPackageConfig",
    "RemoteDebugConfig.EnableRemoteDebug",
)
"""Members that ask for something that is not done here."""

ONLY: Final[Mapping[str, tuple[object, ...]]] = {
    "AlgorithmSpecification.TrainingImageConfig.TrainingRepositoryAccessMode": ("Platform",),
    "OutputDataConfig.CompressionType": ("GZIP",),
    "ProfilerConfig.DisableProfiler": (True,),
}
"""Members of which these values alone are done here."""

ONLY_IN_A_CHANNEL: Final[Mapping[str, tuple[object, ...]]] = {
    "CompressionType": ("None",),
    "RecordWrapperType": ("None",),
    "InputMode": ("File", "FastFile"),
    "DataSource.S3DataSource.S3DataType": ("S3Prefix", "ManifestFile"),
}
REFUSED_IN_A_CHANNEL: Final = (
    "ShuffleConfig",
    "DataSource.FileSystemDataSource",
    "DataSource.DatasetSource",
    "DataSource.S3DataSource.AttributeNames",
    "DataSource.S3DataSource.InstanceGroupNames",
    "DataSource.S3DataSource.ModelAccessConfig",
    "DataSource.S3DataSource.HubAccessConfig",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One folder of input data. With `is_manifest` the URI is that of a list of objects."""

    name: str
    uri: str
    is_manifest: bool
    mode: str
    distribution: str
    content_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """What a training job shall do. Immutable; `checkpoints` is (folder below /opt/ml, S3 URI)."""

    name: str
    arn: str
    role_arn: str
    image: str
    instance_type: str
    hyperparameters: Mapping[str, str]
    environment: Mapping[str, str]
    channels: tuple[Channel, ...]
    output_uri: str
    kms_key: str | None
    checkpoints: tuple[PurePosixPath, str] | None
    metrics: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    instances: int = 1
    network_isolated: bool = False
    longest_run_seconds: float = LONGEST_RUN_SECONDS
    longest_wait_seconds: float | None = None

    @property
    def is_spot(self) -> bool:
        """Whether its instances may be taken away: it is started again on others, as long as it may wait."""
        return self.longest_wait_seconds is not None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names of its instances, as each of them has them."""
        return tuple(sorted(f"algo-{number}" for number in range(1, self.instances + 1)))


def check_request(request: Mapping[str, Any]) -> None:
    """Raises AWSValidationException for what AWS refuses, and for what nobody here can do."""
    check("CreateTrainingJob", request)
    found = [*_unsupported(request), *_channel_problems(request.get("InputDataConfig") or ())]
    if found:
        raise invalid(f"the local cloud does not implement this CreateTrainingJob: {'; '.join(found)}")
    _require_consistency(request)


def plan_of(request: Mapping[str, Any], *, arn: str) -> JobPlan:
    """The plan of a request that was checked."""
    algorithm, output = request["AlgorithmSpecification"], request["OutputDataConfig"]
    stopping, is_spot = request.get("StoppingCondition") or {}, request.get("EnableManagedSpotTraining")
    return JobPlan(
        name=request["TrainingJobName"],
        arn=arn,
        role_arn=request["RoleArn"],
        image=algorithm["TrainingImage"],
        instance_type=request["ResourceConfig"]["InstanceType"],
        hyperparameters=request.get("HyperParameters") or {},
        environment=request.get("Environment") or {},
        channels=tuple(
            _channel(channel, algorithm["TrainingInputMode"]) for channel in request.get("InputDataConfig") or ()
        ),
        output_uri=output["S3OutputPath"].rstrip("/"),
        kms_key=output.get("KmsKeyId") or None,
        checkpoints=_checkpoints(request.get("CheckpointConfig")),
        metrics={each["Name"]: re.compile(each["Regex"]) for each in algorithm.get("MetricDefinitions") or ()},
        instances=request["ResourceConfig"]["InstanceCount"],
        network_isolated=bool(request.get("EnableNetworkIsolation")),
        longest_run_seconds=float(stopping.get("MaxRuntimeInSeconds") or LONGEST_RUN_SECONDS),
        longest_wait_seconds=float(stopping["MaxWaitTimeInSeconds"]) if is_spot else None,
    )


def _unsupported(request: Mapping[str, Any]) -> Iterator[str]:
    for path in REFUSED:
        if _at(request, path):
            yield path
    for path, allowed in ONLY.items():
        value = _at(request, path)
        if value is not None and value not in allowed:
            yield f"{path} {value}; allowed: {_listed(allowed)}"
    if (mode := _at(request, "AlgorithmSpecification.TrainingInputMode")) not in ("File", "FastFile"):
        yield f"AlgorithmSpecification.TrainingInputMode {mode}; allowed: File, FastFile"


def _channel_problems(channels: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for channel in channels:
        where = f"channel {channel['ChannelName']}"
        for path in REFUSED_IN_A_CHANNEL:
            if _at(channel, path):
                yield f"{where}: {path}"
        for path, allowed in ONLY_IN_A_CHANNEL.items():
            value = _at(channel, path)
            if value is not None and value not in allowed:
                yield f"{where}: {path} {value}; allowed: {_listed(allowed)}"


def _require_consistency(request: Mapping[str, Any]) -> None:
    """What the service model cannot say and AWS checks at once."""
    if not request["AlgorithmSpecification"].get("TrainingImage"):
        raise invalid("You must specify either TrainingImage or AlgorithmName in AlgorithmSpecification.")
    for member in ("InstanceType", "InstanceCount", "VolumeSizeInGB"):
        if not (request.get("ResourceConfig") or {}).get(member):
            raise invalid(f"ResourceConfig.{member} is required for this training job.")
    channels = request.get("InputDataConfig") or ()
    names = [channel["ChannelName"] for channel in channels]
    if len(set(names)) < len(names):
        raise invalid(f"ChannelNames must be unique within a training job; found {', '.join(names)}.")
    for channel in channels:
        if not channel["DataSource"].get("S3DataSource"):
            raise invalid(f"channel {channel['ChannelName']} has no DataSource.")
    _require_waiting_time(request)
    _require_regular_expressions(request["AlgorithmSpecification"].get("MetricDefinitions") or ())
    if (checkpoints := request.get("CheckpointConfig")) and not _is_below_ml_root(checkpoints):
        raise invalid(
            f"the local cloud does not implement CheckpointConfig.LocalPath {checkpoints['LocalPath']}; allowed: a "
            f"folder below {ML_ROOT}"
        )


def _require_waiting_time(request: Mapping[str, Any]) -> None:
    stopping = request.get("StoppingCondition") or {}
    wait_seconds = stopping.get("MaxWaitTimeInSeconds")
    if not request.get("EnableManagedSpotTraining"):
        if wait_seconds is not None:
            raise invalid("MaxWaitTimeInSeconds can only be set when EnableManagedSpotTraining is true.")
    elif wait_seconds is None or wait_seconds < stopping.get("MaxRuntimeInSeconds", LONGEST_RUN_SECONDS):
        raise invalid(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
        )


def _require_regular_expressions(definitions: Sequence[Mapping[str, Any]]) -> None:
    for definition in definitions:
        try:
            groups = re.compile(definition["Regex"]).groups
        except re.error as error:
            raise invalid(f"The Regex of metric {definition['Name']} is not valid: {error}.") from error
        if groups < 1:
            raise invalid(f"The Regex of metric {definition['Name']} needs one capture group: {definition['Regex']}")


def _channel(channel: Mapping[str, Any], default_mode: str) -> Channel:
    source = channel["DataSource"]["S3DataSource"]
    return Channel(
        name=channel["ChannelName"],
        uri=source["S3Uri"],
        is_manifest=source["S3DataType"] == "ManifestFile",
        mode=channel.get("InputMode") or default_mode,
        distribution=source.get("S3DataDistributionType") or "FullyReplicated",
        content_type=channel.get("ContentType"),
    )


def _checkpoints(config: Mapping[str, Any] | None) -> tuple[PurePosixPath, str] | None:
    if not config:
        return None
    return _checkpoint_path(config).relative_to(ML_ROOT), config["S3Uri"].rstrip("/")


def _checkpoint_path(config: Mapping[str, Any]) -> PurePosixPath:
    return PurePosixPath(config.get("LocalPath") or ML_ROOT / "checkpoints")


def _is_below_ml_root(config: Mapping[str, Any]) -> bool:
    path = _checkpoint_path(config)
    return path.is_relative_to(ML_ROOT) and path != ML_ROOT and ".." not in path.parts


def _at(document: Mapping[str, Any], path: str) -> Any:
    """The member at a dotted path; None where a part of it is missing."""
    value: Any = document
    for name in path.split("."):
        value = (value or {}).get(name)
    return value


def _listed(values: tuple[object, ...]) -> str:
    return ", ".join(str(value) for value in values)


def output_location(plan: JobPlan, file: str) -> tuple[str, str]:
    """Bucket and key of a file among a job's outputs."""
    return bucket_and_key(f"{plan.output_uri}/{plan.name}/output/{file}")
