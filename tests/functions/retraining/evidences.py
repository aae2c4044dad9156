"""Evidence of challengers for the tests: one that passes every rule, and any of it changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from model_packages.contract import Gate, Rollout
from model_packages.evidence import Evidence, ModelEvidence, Paired

SCHEMA_HASH = "0123456789ab"
GATE = Gate(
    metric="accuracy",
    minimum=0.8,
    compare="negative_log_loss",
    maximum_slice_loss=0.05,
    maximum_calibration_error=0.1,
    maximum_model_mb=50.0,
)
ROLLOUT = Rollout(maximum_p99_latency_ms=100.0)


def paired(gain: float, *, low: float, high: float, champion: float = -0.4) -> Paired:
    return Paired(champion=champion, challenger=champion + gain, gain=gain, low=low, high=high, rows=1000)


CHAMPION = ModelEvidence(
    metrics={"accuracy": 0.85, "negative_log_loss": -0.4},
    failed_behaviours={},
    behaviours=3,
    calibration_error=0.05,
    p99_latency_ms=20.0,
    size_bytes=10_000_000,
    schema_hash=SCHEMA_HASH,
)
CHALLENGER = replace(CHAMPION, metrics={"accuracy": 0.88, "negative_log_loss": -0.3})
GOOD = Evidence(
    package="flowers",
    metric="accuracy",
    compare="negative_log_loss",
    confidence=0.95,
    rows=1000,
    challenger=CHALLENGER,
    champion=CHAMPION,
    compared=paired(0.1, low=0.05, high=0.15),
    slices={"red": paired(0.05, low=-0.02, high=0.1), "white": paired(-0.04, low=-0.08, high=-0.01)},
)


def of_challenger(**changes: Any) -> Evidence:
    """GOOD, with another challenger."""
    return replace(GOOD, challenger=replace(CHALLENGER, **changes))
