"""What a package's evaluate() says of a model: metrics over a holdout, and over its slices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from container.inference import Predictor, import_module
from model_packages.dataset import Record
from model_packages.errors import PackageError, PackageProblem

SLICES = "slices"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metric name -> value, over all records and over each slice of them."""

    metrics: Mapping[str, float]
    slices: Mapping[str, Mapping[str, float]]


def evaluate(predictor: Predictor, records: Sequence[Record]) -> Evaluation:
    """Calls the package's evaluate() with the same `predict` that callers are served by.

    Raises: PackageError if the result is not metrics, and whatever evaluate() raises.
    """
    package = predictor.package.name
    result: object = import_module(package, "train").evaluate(predictor.predict, records)
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
        if not math.isfinite(numbers[name]):
            raise _problem(package, f"evaluate.{name}", found=str(value), allowed="a finite number")
    return numbers


def _problem(package: str, key: str, *, found: str, allowed: str) -> PackageError:
    return PackageError([PackageProblem(file=f"{package}/train.py", key=key, found=found, allowed=allowed)])
