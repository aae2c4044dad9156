"""How often the gate promotes a challenger that is truly no better, and misses one that is, beside the common rule.

`python -m tests.benchmarks.gate [--holdouts 500]` prints docs/benchmarks.md's table. Two models score the same rows;
what they are worth in truth is known, because both are the true log odds with noise. Each simulated holdout goes
through the bounds that the evaluation computes and through the gate. One process, one core, about ten minutes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from container.bootstrap import bounds, fewest_draws
from functions.retraining.gate import judge
from model_packages.contract import Gate, Rollout
from model_packages.evidence import Evidence, ModelEvidence, Paired

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Bools = NDArray[np.bool_]

CONFIDENCE = 0.95
SIZES = (500, 2_000, 5_000)
TRUTHS = ("equal", "worse", "better")
CHAMPION_NOISE, SHARED = 1.5, 0.7
"""Of the log odds; and how much of it two versions of a model have in common."""
POPULATION = 400_000
SCHEMA_HASH = "0123456789ab"


class Metric(Protocol):
    """Higher is better. Scores are log odds."""

    def value(self, scores: Floats, labels: Bools) -> float: ...

    def drawn(self, champion: Floats, challenger: Floats, labels: Bools, rows: Rows) -> Floats:
        """The gain on each line of `rows`."""

    def swapped(self, champion: Floats, challenger: Floats, labels: Bools, swaps: Bools) -> Floats:
        """The gain on all rows, where on each line of `swaps` the answers of some change sides."""


class MeanMetric:
    """A mean over rows, so that a gain is a mean of differences."""

    def of_rows(self, scores: Floats, labels: Bools) -> Floats:
        raise NotImplementedError

    def value(self, scores: Floats, labels: Bools) -> float:
        return float(self.of_rows(scores, labels).mean())

    def drawn(self, champion: Floats, challenger: Floats, labels: Bools, rows: Rows) -> Floats:
        return np.asarray(self._gains(champion, challenger, labels)[rows].mean(axis=1))

    def swapped(self, champion: Floats, challenger: Floats, labels: Bools, swaps: Bools) -> Floats:
        return np.asarray(np.where(swaps, -1.0, 1.0) @ self._gains(champion, challenger, labels) / len(labels))

    def _gains(self, champion: Floats, challenger: Floats, labels: Bools) -> Floats:
        return self.of_rows(challenger, labels) - self.of_rows(champion, labels)


class Accuracy(MeanMetric):
    def of_rows(self, scores: Floats, labels: Bools) -> Floats:
        return np.asarray((scores > 0) == labels, np.float64)


class NegativeLogLoss(MeanMetric):
    def of_rows(self, scores: Floats, labels: Bools) -> Floats:
        return np.asarray(-np.logaddexp(0.0, np.where(labels, -scores, scores)))


class AveragePrecision:
    """Of a ranking. No draw is sorted: a place is how many rows of the draw score as much or more, which sums along the
    order of the whole holdout tell. A holdout without a positive has no average precision.
    """

    def value(self, scores: Floats, labels: Bools) -> float:
        return float(_precisions(np.ones((1, len(scores))), _Order(scores), labels)[0])

    def drawn(self, champion: Floats, challenger: Floats, labels: Bools, rows: Rows) -> Floats:
        draws, size = rows.shape
        keys = rows + size * np.arange(draws)[:, None]
        times = np.bincount(keys.ravel(), minlength=rows.size).reshape(draws, size)
        new, old = (_precisions(times, _Order(scores), labels) for scores in (challenger, champion))
        return np.asarray(new - old)

    def swapped(self, champion: Floats, challenger: Floats, labels: Bools, swaps: Bools) -> Floats:
        order = _Order(np.concatenate([challenger, champion]))
        both = np.concatenate([labels, labels])
        new = _precisions(np.concatenate([~swaps, swaps], axis=1), order, both)
        old = _precisions(np.concatenate([swaps, ~swaps], axis=1), order, both)
        return np.asarray(new - old)


class _Order:
    """Rows from the highest score to the lowest."""

    def __init__(self, scores: Floats) -> None:
        self.rows = np.argsort(-scores)


def _precisions(times: NDArray[Any], order: _Order, labels: Bools) -> Floats:
    """The average precision of each line of `times`: how often each row is in a draw."""
    sorted_times, hits = times[:, order.rows].astype(np.float32), labels[order.rows]
    positives = sorted_times[:, hits]
    above = np.cumsum(sorted_times, axis=1)[:, hits]  # the row's own copies included
    with np.errstate(invalid="ignore"):
        precision = np.cumsum(positives, axis=1) / above
        return np.asarray(np.nansum(positives * precision, axis=1) / positives.sum(axis=1), np.float64)


@dataclass(frozen=True)
class Task:
    """True log odds are normal with this centre and spread; `margin` is what "better" and "worse" differ by."""

    metric: Metric
    centre: float
    spread: float
    margin: float


TASKS: Mapping[str, Task] = {
    "accuracy, half of the rows positive": Task(Accuracy(), 0.0, 2.0, 0.02),
    "average precision, 2.6 % positive": Task(AveragePrecision(), -5.5, 2.0, 0.05),
    "negative log loss, half positive": Task(NegativeLogLoss(), 0.0, 2.0, 0.03),
}


@dataclass(frozen=True)
class Holdout:
    """Rows that both models have scored."""

    champion: Floats
    challenger: Floats
    labels: Bools

    @classmethod
    def drawn(cls, task: Task, rows: int, noise: float, generator: np.random.Generator) -> Holdout:
        odds = generator.normal(task.centre, task.spread, rows)
        labels = generator.random(rows) < 1 / (1 + np.exp(-odds))
        common, first, second = generator.normal(size=(3, rows))
        errors = [np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * own for own in (first, second)]
        return cls(odds + CHAMPION_NOISE * errors[0], odds + noise * errors[1], labels)

    def gain(self, metric: Metric) -> float:
        return metric.value(self.challenger, self.labels) - metric.value(self.champion, self.labels)


@dataclass
class Count:
    """Of simulated holdouts."""

    holdouts: int = 0
    promoted: int = 0
    promoted_by_higher: int = 0


@cache
def noise_of(name: str, truth: str) -> float:
    """The noise of a challenger that is in truth as good as the champion, or better or worse by the task's margin."""
    if truth == "equal":
        return CHAMPION_NOISE
    task = TASKS[name]
    wanted = task.margin if truth == "better" else -task.margin
    low, high = 0.0, 3 * CHAMPION_NOISE
    for _ in range(20):
        middle = (low + high) / 2
        gain = Holdout.drawn(task, POPULATION, middle, np.random.default_rng(7)).gain(task.metric)
        low, high = (middle, high) if gain > wanted else (low, middle)
    return (low + high) / 2


def paired(holdout: Holdout, metric: Metric, generator: np.random.Generator) -> Paired | None:
    """As the evaluation compares; None where the holdout has no metric."""
    rows, draws = len(holdout.labels), fewest_draws(CONFIDENCE)
    sides = holdout.champion, holdout.challenger, holdout.labels
    gain = holdout.gain(metric)
    drawn = metric.drawn(*sides, generator.integers(rows, size=(draws, rows)))
    drawn = drawn[np.isfinite(drawn)]
    if not np.isfinite(gain) or len(drawn) < draws / 2:
        return None
    swapped = metric.swapped(*sides, generator.random((draws, rows)) < 0.5)
    low, high = bounds(gain, drawn=drawn, swapped=swapped, confidence=CONFIDENCE)
    champion = metric.value(holdout.champion, holdout.labels)
    return Paired(champion=champion, challenger=champion + gain, gain=gain, low=low, high=high, rows=rows)


def is_promoted(compared: Paired | None) -> bool:
    """By the gate itself; every rule but the gain's passes."""
    model = ModelEvidence(
        metrics={"metric": 1.0},
        failed_behaviours={},
        behaviours=1,
        calibration_error=None,
        p99_latency_ms=1.0,
        size_bytes=1,
        schema_hash=SCHEMA_HASH,
    )
    evidence = Evidence(
        package="simulated",
        metric="metric",
        compare="metric",
        confidence=CONFIDENCE,
        rows=compared.rows if compared else 0,
        challenger=model,
        champion=model,
        compared=compared,
        slices={},
    )
    gate = Gate(metric="metric", minimum=0.0, confidence=CONFIDENCE)
    return judge(evidence, gate, Rollout(), serving_schema_hash=SCHEMA_HASH).promote


def measure(name: str, rows: int, truth: str, holdouts: int) -> Count:
    """Both rules on the same simulated holdouts."""
    task, noise, count = TASKS[name], noise_of(name, truth), Count()
    for seed in range(holdouts):
        generator = np.random.default_rng([seed, rows, TRUTHS.index(truth)])
        holdout = Holdout.drawn(task, rows, noise, generator)
        count.holdouts += 1
        count.promoted += is_promoted(paired(holdout, task.metric, generator))
        count.promoted_by_higher += bool(holdout.gain(task.metric) > 0)
    return count


Results = Mapping[tuple[str, int, str], Count]


def measure_all(sizes: Sequence[int], holdouts: int) -> Results:
    results: dict[tuple[str, int, str], Count] = {}
    for name in TASKS:
        started = time.perf_counter()
        for rows in sizes:
            for truth in TRUTHS:
                results[name, rows, truth] = measure(name, rows, truth, holdouts)
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return results


def table(results: Results) -> str:
    """Shares of the holdouts. Where the challenger is better, what counts is how often it is missed."""
    lines = [
        "| metric | rows | no better: gate | higher | worse: gate | higher | better, missed by: gate | higher |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, rows in dict.fromkeys((name, rows) for name, rows, _ in results):
        equal, worse, better = (results[name, rows, truth] for truth in TRUTHS)
        shares = [
            equal.promoted / equal.holdouts,
            equal.promoted_by_higher / equal.holdouts,
            worse.promoted / worse.holdouts,
            worse.promoted_by_higher / worse.holdouts,
            1 - better.promoted / better.holdouts,
            1 - better.promoted_by_higher / better.holdouts,
        ]
        shown = " | ".join(f"{100 * share:.1f} %" for share in shares)
        lines.append(f"| {name}, +/- {TASKS[name].margin:g} | {rows:,} | {shown} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--holdouts", type=int, default=500)
    parser.add_argument("--rows", nargs="*", type=int, default=list(SIZES))
    options = parser.parse_args()
    print(table(measure_all(options.rows, options.holdouts)))


if __name__ == "__main__":
    main()
