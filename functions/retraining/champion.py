"""Which version serves, where its model lies, and how it did on its holdout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from functions.monitor.objects import S3Objects
from functions.monitor.quality import read_quality_baseline
from functions.retraining.settings import RetrainingSettings
from functions.shared.champion import NO_CHAMPION, label_of
from model_packages.errors import OperatorError
from model_packages.profile.quality_baseline import QualityBaseline


class ParameterReader(Protocol):
    """As much of botocore's SSM client as is needed."""

    def get_parameter(self, **arguments: Any) -> Any: ...


class Registry(Protocol):
    """As much of botocore's SageMaker client as is needed."""

    def describe_model_package(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """The version that serves. `arn` is `none` for the initial one."""

    arn: str
    model_uri: str
    baseline_uri: str
    """s3://bucket/key of a zip with its baseline, or of a file beside it; empty where nobody knows."""

    @property
    def label(self) -> str:
        return label_of(self.arn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Champions:
    """Answers which version is champion."""

    ssm: ParameterReader
    sagemaker: Registry
    s3: S3Objects
    settings: RetrainingSettings

    def arn(self) -> str:
        """What the champion pointer says."""
        arn: str = self.ssm.get_parameter(Name=self.settings.champion_parameter)["Parameter"]["Value"]
        return arn

    def now(self) -> Champion:
        """Raises: OperatorError if the version in the registry names no model."""
        arn = self.arn()
        if arn == NO_CHAMPION:
            settings = self.settings
            return Champion(arn=arn, model_uri=settings.initial_model_uri, baseline_uri=settings.initial_baseline_uri)
        version = self.sagemaker.describe_model_package(ModelPackageName=arn)
        containers = version.get("InferenceSpecification", {}).get("Containers", [])
        model_uri = containers[0].get("ModelDataUrl", "") if containers else ""
        if not model_uri:
            raise OperatorError(f"{arn}: found no ModelDataUrl; allowed: the s3:// address of its model.tar.gz")
        quality = version.get("DriftCheckBaselines", {}).get("ModelDataQuality", {})
        return Champion(arn=arn, model_uri=model_uri, baseline_uri=quality.get("Statistics", {}).get("S3Uri", ""))

    def holdout(self, champion: Champion) -> QualityBaseline | None:
        """How it did on its holdout; None where nobody knows."""
        uri = champion.baseline_uri
        return read_quality_baseline(uri, s3=self.s3) if uri else None
