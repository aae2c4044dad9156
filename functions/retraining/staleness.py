"""What a stale model's errors have cost since the last training, beside what a run costs. Pure numbers.

The rule is CARA's cumulative threshold (Mahadevan and Mathioudakis, 2024) with a run's cost as its threshold:
docs/decisions/when-to-retrain.md says what it assumes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model_packages.contract import Retraining


@dataclass(frozen=True, slots=True, kw_only=True)
class Staleness:
    """Errors that a model trained anew might not have made, since the last training."""

    extra_errors: float
    predictions: int
    """So many were made in that time."""
    source: Literal["labels", "drift"]
    """Measured against labels, or the most that the drift found may have caused."""


def extra_errors_by_labels(*, live_error: float, holdout_error: float, predictions: int) -> float:
    """Error rates are 0 to 1. A model that errs less than on its holdout is not stale."""
    return max(0.0, live_error - holdout_error) * predictions


def extra_errors_by_drift(*, changes: tuple[float, ...], predictions: int) -> float:
    """`changes`: of each field that drifted, the share of rows that would have to move.

    Under covariate shift an error rate changes by at most the total variation between what went in before and now.
    That is at most the sum over the fields where they are independent of each other; it is never more than 1.
    """
    return min(1.0, sum(changes)) * predictions


def cost_usd(staleness: Staleness, *, error_usd: float) -> float:
    return staleness.extra_errors * error_usd


def too_cheap(staleness: Staleness | None, settings: Retraining) -> str:
    """Why a run does not pay yet; empty where it does, where the package gives no costs, or where nobody can know."""
    if staleness is None or settings.run_usd is None or settings.error_usd is None:
        return ""
    cost = cost_usd(staleness, error_usd=settings.error_usd)
    if cost >= settings.run_usd:
        return ""
    known = (
        f"about {staleness.extra_errors:.0f} more wrong predictions than on the holdout have cost {cost:.2f} dollars"
        if staleness.source == "labels"
        else f"no labels tell the cost, and the drift can have cost {cost:.2f} dollars at most"
    )
    return f"{known} since the last training; a run costs {settings.run_usd:.2f} (retraining.run_usd)"
