"""A model's live quality: what labels say of its newest predictions, beside what its holdout said, and whether it errs
more than it did there. Without labels there is none of it: no value, and no evidence.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from functions.monitor import window_document as document
from functions.monitor.decision import Decision, LossDetector
from functions.monitor.labels import Joined, LabelJoin, LabelState
from functions.monitor.listing import start_of
from functions.monitor.metrics import WindowMetric
from functions.monitor.objects import Bucket, S3Objects, parse_uri
from functions.monitor.publishing import Measurement, Name, measured
from functions.shared import layout
from model_packages.contract import PackageConfig
from model_packages.profile.quality import Judge
from model_packages.profile.quality_baseline import QUALITY, QualityBaseline
from model_packages.profile.quality_fields import QualityFields

RECENT_WINDOWS = 5
"""Live quality is of the newest labelled predictions: as many as this many of the smallest windows have rows."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at the labels has to tell."""

    state: LabelState
    documents: Mapping[str, str]
    """The hours that were joined anew, by their keys in the bucket."""
    measurements: tuple[Measurement, ...]
    quality: document.LiveQuality | None
    """The newest that no window has told: an older value would be taken for this window's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityWatch:
    """Looks at the labels of one endpoint. `baseline` is None where the version had no holdout."""

    s3: Any
    bucket_name: str
    endpoint: str
    config: PackageConfig
    fields: QualityFields
    baseline: QualityBaseline | None

    def look(self, state: LabelState, *, version: str, now: datetime) -> Looked:
        """Joins new labels with their predictions, and judges. The same state and objects give the same result."""
        joined = self._join.look(state, version=version, now=now)
        decision, detector = self._decide(joined, now)
        quality = self._quality(joined, decision)
        untold = quality or _read(joined.state.untold)
        judge = self._judge
        return Looked(
            state=replace(joined.state, detector=detector, untold=_written(untold)),
            documents={
                layout.quality_key(self.endpoint, start_of(record.hour)): record.to_json(judge=judge)
                for record in joined.records
            },
            measurements=_measurements(joined, quality, decision, now=now),
            quality=untold,
        )

    @property
    def _holdout(self) -> QualityBaseline | None:
        """What there is to compare with: a holdout with rows, which was judged as live predictions are."""
        found = self.baseline
        return found if found is not None and found.rows and found.compares(self.fields) else None

    @property
    def _judge(self) -> Judge:
        """Whichever metric is watched: another one is no reason to join every hour anew."""
        scale = self._holdout.loss_scale if self._holdout else 1.0
        return Judge(replace(self.fields, metric=""), loss_scale=scale)

    @property
    def _join(self) -> LabelJoin:
        monitor = self.config.monitor
        return LabelJoin(
            s3=self.s3,
            bucket_name=self.bucket_name,
            endpoint=self.endpoint,
            judge=self._judge,
            label_days=min(monitor.label_days, self.config.capture.retention_days),
            late=timedelta(minutes=monitor.late_minutes),
            block=monitor.block,
            block_minutes=monitor.block_minutes,
            recent_rows=RECENT_WINDOWS * monitor.minimum_rows,
        )

    def _decide(self, joined: Joined, now: datetime) -> tuple[Decision | None, Mapping[str, Any] | None]:
        """Each labelled prediction counts once; a label that is corrected later changes the metrics alone."""
        holdout, monitor = self._holdout, self.config.monitor
        if holdout is None:
            return None, None
        detector = LossDetector.from_json(
            joined.state.detector or {}, holdout_loss=holdout.loss, holdout_rows=holdout.rows, monitor=monitor
        )
        blocks = None if monitor.block == "row" else joined.blocks
        decision = detector.update(f"{now:%Y%m%dT%H%M%S}", joined.losses, end=now, block_keys=blocks)
        return decision, detector.to_json()

    def _quality(self, joined: Joined, decision: Decision | None) -> document.LiveQuality | None:
        """None where no new label came."""
        value = self._judge.metrics(joined.recent).get(self.fields.metric) if joined.fresh else None
        if value is None:
            return None
        expected = self._holdout.metrics.get(self.fields.metric) if self._holdout else None
        stated = self.config.monitor.quality
        by_holdout = expected.value - stated.tolerance if expected else None
        return document.LiveQuality(
            metric=self.fields.metric,
            value=value.value,
            low=value.low,
            high=value.high,
            labelled_rows=joined.recent.rows,
            unmatched_labels=joined.unmatched,
            expected=expected.value if expected else None,
            minimum=by_holdout if stated.minimum is None else stated.minimum,
            evidence=decision.evidence if decision else None,
            since=joined.since,
        )


def _written(quality: document.LiveQuality | None) -> dict[str, Any] | None:
    if quality is None:
        return None
    return {**asdict(quality), "since": quality.since and quality.since.isoformat()}


def _read(content: Mapping[str, Any] | None) -> document.LiveQuality | None:
    if content is None:
        return None
    since = content["since"]
    return document.LiveQuality(**{**content, "since": since and datetime.fromisoformat(since)})


def read_quality_baseline(baseline_uri: str, *, s3: S3Objects) -> QualityBaseline | None:
    """quality.json in the zip that holds the baseline, or beside it; None where the version has none."""
    bucket, key = parse_uri(baseline_uri)
    if not key.endswith(".zip"):
        key = f"{key.rpartition('/')[0]}/{QUALITY}"
    content = Bucket(s3, bucket).find(key)
    if content is None:
        return None
    if not key.endswith(".zip"):
        return QualityBaseline.from_json(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if name.rpartition("/")[2] == QUALITY]
        return QualityBaseline.from_json(archive.read(names[0])) if names else None


def _measurements(
    joined: Joined, quality: document.LiveQuality | None, decision: Decision | None, *, now: datetime
) -> tuple[Measurement, ...]:
    """0 labelled rows are told too: no labels are not good quality."""
    values: dict[Name, float | None] = {
        WindowMetric.LABELLED_ROWS: joined.fresh,
        WindowMetric.UNMATCHED_LABELS: joined.unmatched,
        WindowMetric.QUALITY_EVIDENCE: decision.evidence if decision and decision.rows else None,
    }
    if quality is not None:
        values |= {
            WindowMetric.QUALITY: quality.value,
            WindowMetric.QUALITY_LOW: quality.low,
            WindowMetric.QUALITY_HIGH: quality.high,
        }
    return measured(values, time=now)
