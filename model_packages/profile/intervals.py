"""95 % confidence intervals of quality metrics, from counts alone. Pure; sources and measured coverage are in
docs/decisions/live-quality.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z = 1.959963984540054
"""Of the normal distribution, 95 % lie within so many standard deviations."""
T_31 = 2.0395
"""The same of Student's t with 31 degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric with the ends of its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @property
    def negative(self) -> Estimate:
        """The same with its sign turned, so that higher is better."""
        return Estimate(-self.value, -self.high, -self.low)


def share(hits: float, total: float) -> Estimate | None:
    """Of a proportion, by Wilson (1927). None without a row."""
    if total <= 0:
        return None
    low, high = wilson(hits / total, total)
    return Estimate(hits / total, low, high)


def wilson(value: float, total: float) -> tuple[float, float]:
    """The interval of a proportion `value` among `total`."""
    middle = (value + Z * Z / (2 * total)) / (1 + Z * Z / total)
    half = Z / (1 + Z * Z / total) * math.sqrt(value * (1 - value) / total + Z * Z / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_of_shares(shares: Sequence[Estimate]) -> Estimate:
    """Of independent proportions' mean: their distances to their ends add as squares (Newcombe 1998; MOVER)."""
    count = len(shares)
    value = sum(each.value for each in shares) / count
    below = math.sqrt(sum((each.value - each.low) ** 2 for each in shares)) / count
    above = math.sqrt(sum((each.high - each.value) ** 2 for each in shares)) / count
    return Estimate(value, value - below, value + above)


def f1(hits: float, wrong: float) -> Estimate | None:
    """Of F1 = 2h / (2h + w), which rises with the proportion h / (h + w): `wrong` are misses and false alarms."""
    jaccard = share(hits, hits + wrong)
    if jaccard is None:
        return None
    return Estimate(*(2 * each / (1 + each) for each in (jaccard.value, jaccard.low, jaccard.high)))


def smooth(value: float, counts: NDArray[np.float64], gradient: NDArray[np.float64], *, weakest: float) -> Estimate:
    """Of a smooth function of counts with values 0 to 1, by the delta method on the logit scale.

    `gradient` is the function's, by the counts. Where it is flat, as at a perfect value, the interval is Wilson's of
    `weakest` rows: those that say least about the metric.
    """
    total = counts.sum()
    variance = float((counts * gradient**2).sum() - (counts * gradient).sum() ** 2 / total)
    low, high = wilson(value, weakest)
    if variance <= 0.0 or not 0.0 < value < 1.0:
        return Estimate(value, low, high)
    middle, half = _logit(value), Z * math.sqrt(variance) / (value * (1 - value))
    return Estimate(value, _expit(middle - half), _expit(middle + half))


def roc_auc(value: float, *, positives: float, negatives: float) -> Estimate:
    """Of the chance that a positive scores higher than a negative: Newcombe's method 5 (2006), which asks of each
    candidate whether it lies within Hanley and McNeil's deviation at that candidate; it holds with few positives and
    at a perfect value too.
    """
    low = _root(lambda candidate: value - candidate - Z * _auc_deviation(candidate, positives, negatives), 0.0, value)
    high = _root(lambda candidate: value - candidate + Z * _auc_deviation(candidate, positives, negatives), value, 1.0)
    return Estimate(value, low, high)


def _auc_deviation(value: float, positives: float, negatives: float) -> float:
    more = (positives + negatives) / 2 - 1
    spread = 1 + more * (1 - value) / (2 - value) + more * value / (1 + value)
    return math.sqrt(value * (1 - value) * spread / (positives * negatives))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that falls from `low` to `high` crosses zero; the end where it does not."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2


def positive_mean(rows: int, total: float, squares: float) -> Estimate | None:
    """Of the mean of values that are 0 or more, on the log scale: `total` is their sum, `squares` of their squares."""
    if rows == 0:
        return None
    mean = total / rows
    if rows == 1 or mean <= 0.0:
        return Estimate(mean, 0.0, math.inf) if rows == 1 else Estimate(0.0, 0.0, 0.0)
    variance = max(0.0, squares / rows - mean**2) * rows / (rows - 1)
    factor = math.exp(Z * math.sqrt(variance / rows) / mean)
    return Estimate(mean, mean / factor, mean * factor)


def jackknife(value: float, without: NDArray[np.float64]) -> tuple[float, float]:
    """The interval of a statistic, from its values `without` each group of the rows."""
    groups = len(without)
    deviation = math.sqrt((groups - 1) / groups * float(((without - without.mean()) ** 2).sum()))
    return value - T_31 * deviation, value + T_31 * deviation


def _logit(value: float) -> float:
    return math.log(value / (1 - value))


def _expit(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0
