"""What a package's evaluate() says of a model: metrics over a holdout, and over its slices.

Training wants every metric; who draws holdouts at random takes what can be told of them (`Evaluation.told`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from container.inference import Predictor, import_module
from model_packages.dataset import Record
from model_packages.errors import PackageError, PackageProblem
from model_packages.interface import Predict

SLICES = "slices"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metric name -> value, over all records and over each slice of them."""

    metrics: Mapping[str, float]
    slices: Mapping[str, Mapping[str, float]]

    def of(self, part: str | None) -> Mapping[str, float]:
        """The metrics of a slice, none where there is no such slice; with None those of all records."""
        return self.metrics if part is None else self.slices.get(part, {})

    def told(self) -> Evaluation:
        """Without the values that are no finite numbers: a metric cannot be had of every set of records."""
        return Evaluation(_finite(self.metrics), {name: _finite(metrics) for name, metrics in self.slices.items()})


def evaluate(predictor: Predictor, records: Sequence[Record]) -> Evaluation:
    """Calls the package's evaluate() with the same `predict` that callers are served by.

    Raises: PackageError if the result is not metrics with finite values, and whatever evaluate() raises.
    """
    package = predictor.package.name
    evaluation = measure(package, predictor.predict, records)
    for metrics in (evaluation.metrics, *evaluation.slices.values()):
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise _problem(package, f"evaluate.{name}", found=str(value), allowed="a finite number")
    return evaluation


def measure(package: str, predict: Predict, records: Sequence[Record]) -> Evaluation:
    """What evaluate() says of the answers that `predict` gives; a value may be NaN or infinite.

    Raises: PackageError if the result is not metrics, and whatever evaluate() raises.
    """
    result: object = import_module(package, "train").evaluate(predict, records)
    if not isinstance(result, Mapping):
        raise _problem(package, "evaluate", found=type(result).__name__, allowed="a dict of metrics")
    slices: object = result.get(SLICES, {})
    if not isinstance(slices, Mapping) or not all(isinstance(metrics, Mapping) for metrics in slices.values()):
        raise _problem(package, f"evaluate.{SLICES}", found=repr(slices)[:80], allowed="{slice name: {metric: number}}")
    return Evaluation(
        metrics=_numbers(package, {name: value for name, value in result.items() if name != SLICES}),
        slices={name: _numbers(package, metrics) for name, metrics in slices.items()},
    )


def _numbers(package: str, metrics: Mapping[str, Any]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, value in metrics.items():
        try:
            numbers[name] = float(value)
        except (TypeError, ValueError) as error:
            raise _problem(package, f"evaluate.{name}", found=repr(value)[:80], allowed="a number") from error
    return numbers


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _problem(package: str, key: str, *, found: str, allowed: str) -> PackageError:
    return PackageError([PackageProblem(file=f"{package}/train.py", key=key, found=found, allowed=allowed)])
