"""Finds what the champion was trained on: the initial version's comes with the deployment, a registered version names
its own in the model registry. Read once a process.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from typing import Any, Protocol

from functions.monitor.objects import Bucket, S3Objects, parse_uri
from functions.monitor.quality import read_quality_baseline
from functions.monitor.settings import MonitorSettings
from functions.shared.champion import NO_CHAMPION, label_of
from model_packages.contract import Monitor
from model_packages.errors import OperatorError
from model_packages.profile.baseline import Baseline
from model_packages.profile.documents import BASELINE
from model_packages.profile.quality_baseline import QualityBaseline


class ParameterReader(Protocol):
    """As much of botocore's SSM client as is needed."""

    def get_parameter(self, **arguments: Any) -> Any: ...


class Registry(Protocol):
    """As much of botocore's SageMaker client as is needed."""

    def describe_model_package(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that serves. `arn` is `none` for the initial one."""

    arn: str
    baseline_uri: str
    """s3://bucket/key of its baseline.json, or of a zip that holds it."""

    @property
    def label(self) -> str:
        return label_of(self.arn)


@dataclass(frozen=True, slots=True)
class Baselines:
    """Answers which version is champion and what its baseline is."""

    parameters: ParameterReader
    registry: Registry
    s3: S3Objects
    settings: MonitorSettings
    monitor: Monitor
    _read: dict[str, Baseline] = field(default_factory=dict)
    _qualities: dict[str, QualityBaseline | None] = field(default_factory=dict)

    def champion(self) -> Champion:
        """Raises: OperatorError if the version in the registry names no baseline."""
        found = self.parameters.get_parameter(Name=self.settings.champion_parameter)
        arn: str = found["Parameter"]["Value"]
        if arn == NO_CHAMPION:
            return Champion(arn=arn, baseline_uri=self.settings.initial_baseline_uri)
        version = self.registry.describe_model_package(ModelPackageName=arn)
        return Champion(arn=arn, baseline_uri=_baseline_uri(arn, version))

    def read(self, champion: Champion) -> Baseline:
        """The champion's baseline, with what package.toml states in place of what was learnt.

        Raises: OperatorError if there is none.
        """
        uri = champion.baseline_uri
        if uri not in self._read:
            self._read.clear()  # one version serves at a time, and a process may outlive many
            self._read[uri] = Baseline.from_json(read_baseline_text(uri, s3=self.s3)).overridden(self.monitor)
        return self._read[uri]

    def quality(self, champion: Champion) -> QualityBaseline | None:
        """What the champion's holdout showed; None where it had none."""
        uri = champion.baseline_uri
        if uri not in self._qualities:
            self._qualities.clear()
            self._qualities[uri] = read_quality_baseline(uri, s3=self.s3)
        return self._qualities[uri]


def read_baseline_text(uri: str, *, s3: S3Objects) -> str:
    """baseline.json, from a zip or as it is. Raises: OperatorError that says where it was looked for."""
    bucket, key = parse_uri(uri)
    content = Bucket(s3, bucket).get(key)
    if not key.endswith(".zip"):
        return content.decode()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if name.rpartition("/")[2] == BASELINE]
        if len(names) != 1:
            raise OperatorError(f"{uri}: found {len(names)} files called {BASELINE}; allowed: one; train it anew")
        return archive.read(names[0]).decode()


def _baseline_uri(arn: str, version: dict[str, Any]) -> str:
    """Beside the statistics that the version names: Model Monitor's files have no place for what we need more."""
    quality = version.get("DriftCheckBaselines", {}).get("ModelDataQuality", {})
    uri = quality.get("Statistics", {}).get("S3Uri") or quality.get("Constraints", {}).get("S3Uri")
    if not uri:
        raise OperatorError(
            f"{arn}: found no DriftCheckBaselines.ModelDataQuality; allowed: the S3Uri of its statistics.json; "
            "register the version with its baseline"
        )
    return f"{uri.rpartition('/')[0]}/{BASELINE}"
