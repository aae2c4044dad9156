"""What the gate decides on: champion and challenger on the same holdout. The evaluation job writes it, `evidence.json`,
and the gate reads it. Torch-free; nothing is measured or judged here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from model_packages.errors import OperatorError

EVIDENCE = "evidence.json"
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """One metric of both models over the same rows; `gain` is the challenger's less the champion's.

    `low` and `high` are one-sided bounds of the true gain, each at the evidence's confidence.
    """

    champion: float
    challenger: float
    gain: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEvidence:
    """What one model did on the holdout, on its package's behaviours, and how quickly."""

    metrics: Mapping[str, float]
    failed_behaviours: Mapping[str, str]
    """Name of the test -> what it found."""
    behaviours: int
    """How many tests there are."""
    calibration_error: float | None
    """Expected calibration error of the predicted probability; None where the model predicts none."""
    p99_latency_ms: float
    """Of single requests, one after another, on the machine of the evaluation."""
    size_bytes: int
    """Of the archive."""
    schema_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything about one challenger. Without a champion that can be loaded there is nothing to compare it with."""

    package: str
    metric: str
    """The gate's metric, for the minimum."""
    compare: str
    """The metric that both are compared by."""
    confidence: float
    rows: int
    """Records in the holdout."""
    challenger: ModelEvidence
    champion: ModelEvidence | None
    compared: Paired | None
    """None where there is no champion, or where the metric cannot be had of this holdout."""
    slices: Mapping[str, Paired]

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Raises: OperatorError for what no evaluation of this format wrote."""
        try:
            return cls._of(json.loads(text))
        except (KeyError, TypeError, ValueError) as error:
            raise OperatorError(
                f"{EVIDENCE}: found {error!r}; allowed: what `evaluate` of format {FORMAT} wrote"
            ) from error

    @classmethod
    def _of(cls, document: dict[str, Any]) -> Self:
        """Raises: KeyError, TypeError, ValueError."""
        if (found := document.pop("format")) != FORMAT:
            raise ValueError(f"format {found}")
        paired = document["compared"]
        return cls(
            **{
                **document,
                "challenger": ModelEvidence(**document["challenger"]),
                "champion": ModelEvidence(**document["champion"]) if document["champion"] else None,
                "compared": Paired(**paired) if paired else None,
                "slices": {name: Paired(**each) for name, each in document["slices"].items()},
            }
        )
