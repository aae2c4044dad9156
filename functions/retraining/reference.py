"""What new training data is compared with: the champion's baseline and how it did on its holdout. Where the champion
has none of this schema, a baseline is learnt from the data that the package came with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from functions.monitor.baselines import read_baseline_text
from functions.monitor.objects import SCHEME, Bucket, parse_uri
from functions.monitor.quality import read_quality_baseline
from functions.retraining.settings import RetrainingSettings
from functions.shared import layout
from functions.shared.champion import NO_CHAMPION
from model_packages.contract import Monitor
from model_packages.interface import Interface
from model_packages.profile.baseline import Baseline, FieldProfile
from model_packages.profile.documents import BASELINE
from model_packages.profile.learning import build_baseline
from model_packages.profile.quality_baseline import QualityBaseline


@dataclass(frozen=True, slots=True)
class Reference:
    """`quality` is None where the champion has told nothing of its holdout."""

    baseline: Baseline
    """With what package.toml states in place of what was learnt."""
    quality: QualityBaseline | None

    def stated(self, interface: Interface, monitor: Monitor) -> Baseline:
        """Without the ranges that were only seen: a number beyond them is drift, and no fault."""
        specs = {spec.name: spec for spec in interface.request_fields}

        def bounded(field: FieldProfile) -> FieldProfile:
            spec, override = specs.get(field.name), monitor.fields.get(field.name)
            if field.side != "request" or spec is None:
                return field
            low = spec.exclusive_minimum if spec.minimum is None else spec.minimum
            high = spec.exclusive_maximum if spec.maximum is None else spec.maximum
            if override is not None:
                low = low if override.minimum is None else override.minimum
                high = high if override.maximum is None else override.maximum
            return replace(field, constraints=replace(field.constraints, minimum=low, maximum=high))

        return replace(self.baseline, fields=tuple(map(bounded, self.baseline.fields)))


def read_reference(
    champion: Mapping[str, Any] | None,
    *,
    s3: Any,
    settings: RetrainingSettings,
    interface: Interface,
    monitor: Monitor,
    base_requests: Callable[[], Sequence[Mapping[str, Any]]],
) -> Reference:
    """Of the champion as `admit` describes it. Raises: OperatorError if its baseline is no baseline."""
    uri = _baseline_uri(champion, settings)
    if uri and not _is_absent(uri, s3=s3):
        baseline = Baseline.from_json(read_baseline_text(uri, s3=s3))
        if baseline.schema_hash == interface.schema_hash:
            return Reference(baseline.overridden(monitor), read_quality_baseline(uri, s3=s3))
    learnt = build_baseline(interface, requests=base_requests(), responses=[])
    return Reference(learnt.overridden(monitor), None)


def run_of(champion: Mapping[str, Any] | None, settings: RetrainingSettings) -> str:
    """The run that made the champion; empty where a deployment or a person did."""
    runs = f"{SCHEME}{settings.artifacts_bucket}/{layout.runs_prefix(settings.aws_name)}"
    uri: str = (champion or {}).get("model_uri") or ""
    return uri.removeprefix(runs).partition("/")[0] if uri.startswith(runs) else ""


def _baseline_uri(champion: Mapping[str, Any] | None, settings: RetrainingSettings) -> str:
    """Empty where nobody knows where it lies."""
    if champion is None or champion.get("arn", NO_CHAMPION) == NO_CHAMPION:
        return settings.initial_baseline_uri
    if not (run := run_of(champion, settings)):
        return ""
    prefix = layout.evaluation_prefix(settings.aws_name, run)
    return f"{SCHEME}{settings.artifacts_bucket}/{prefix}{layout.BASELINE_FOLDER}{BASELINE}"


def _is_absent(uri: str, *, s3: Any) -> bool:
    bucket, key = parse_uri(uri)
    return Bucket(s3, bucket).find(key) is None
