"""How good a version was on its holdout, as quality.json beside its baseline: live quality is compared with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Self

from model_packages.errors import OperatorError
from model_packages.profile.intervals import Estimate
from model_packages.profile.quality import Judge, Labelled, Metrics, NumberTally
from model_packages.profile.quality_fields import QualityFields

QUALITY = "quality.json"
FORMAT = 1
ERRORS_A_LOSS = 4.0
"""An error of so many mean errors is a regression's whole loss."""


@dataclass(frozen=True, slots=True)
class QualityBaseline:
    """`loss` is the mean of `rows` losses from 0 to 1, which a Judge with this `loss_scale` gives."""

    fields: QualityFields
    rows: int
    loss: float
    loss_scale: float
    metrics: Metrics

    def compares(self, fields: QualityFields) -> bool:
        """Whether the holdout was judged by these fields; which metric is watched does not matter."""
        return _without_metric(self.fields) == _without_metric(fields)

    def to_json(self) -> str:
        """The same baseline gives the same text."""
        document = {"format": FORMAT, **asdict(self)}
        return json.dumps(document, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Raises: OperatorError for a text of another format."""
        document = json.loads(text)
        if document.get("format") != FORMAT:
            found = document.get("format")
            raise OperatorError(f"{QUALITY} has the format {found!r}; allowed: {FORMAT}; train the version anew")
        fields = {**document["fields"], "classes": tuple(document["fields"]["classes"])}
        return cls(
            fields=QualityFields(**fields),
            rows=document["rows"],
            loss=document["loss"],
            loss_scale=document["loss_scale"],
            metrics={name: Estimate(**each) for name, each in document["metrics"].items()},
        )


def build_quality_baseline(fields: QualityFields, rows: Sequence[Labelled]) -> QualityBaseline:
    """Judges the holdout. Without a row, or without one that can be judged, there is nothing to compare with."""
    scale = _loss_scale(fields, rows)
    judge = Judge(fields, loss_scale=scale)
    judged = judge.judge(rows)
    return QualityBaseline(
        fields=fields,
        rows=len(judged.losses),
        loss=float(judged.losses.mean()) if len(judged.losses) else 0.0,
        loss_scale=scale,
        metrics=judge.metrics(judged.tally),
    )


def _loss_scale(fields: QualityFields, rows: Sequence[Labelled]) -> float:
    tally = Judge(fields).judge(rows).tally
    mean_error = tally.metrics().get("mae") if isinstance(tally, NumberTally) else None
    return ERRORS_A_LOSS * mean_error.value if mean_error is not None and mean_error.value > 0 else 1.0


def _without_metric(fields: QualityFields) -> tuple[object, ...]:
    return (fields.form, fields.prediction, fields.label, fields.threshold, fields.positive, fields.classes)
