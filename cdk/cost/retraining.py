"""What one run of a package's retraining loop costs at most. It is no line of the month: nobody has stated how many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdk.cost.prices import PriceName, Prices
from cdk.retraining_definition import most_looks
from cdk.retraining_jobs import evaluation_instance_type
from cdk.time_limits import EVALUATION_MINUTES, RETRAINING_MEMORY_MB, RETRAINING_SECONDS
from model_packages.contract import PackageConfig
from model_packages.discovery import ModelPackage

STEPS, LOOK_SECONDS_AT_WORK = 9, 1
"""Calls of the function in a run but for the looks at its rollout, and what one of those takes."""
TRANSITIONS, LOOK_TRANSITIONS = 20, 3
"""States of a run, and of each look at its rollout."""
MB_A_GB = 1024
MINUTES_AN_HOUR = 60


@dataclass(frozen=True, slots=True)
class RunCost:
    """The longest run: `training_usd` and `evaluation_usd` at the hosting price of the instance; None is unknown."""

    package: str
    training: str
    training_usd: float | None
    evaluation: str
    evaluation_usd: float | None
    steps_usd: float | None

    @property
    def usd(self) -> float | None:
        """Everything; None where a part is unknown."""
        parts = [self.training_usd, self.evaluation_usd, self.steps_usd]
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None


def run_cost(package: ModelPackage, *, prices: Prices) -> RunCost:
    """Of a package's loop."""
    training, evaluated_on = package.config.training, evaluation_instance_type(package.config)
    return RunCost(
        package=package.name,
        training=f"{training.instances} x {training.instance_type}, {training.maximum_runtime_minutes} min",
        training_usd=_job(training.instance_type, training.maximum_runtime_minutes * training.instances, prices),
        evaluation=f"1 x {evaluated_on}, {EVALUATION_MINUTES} min",
        evaluation_usd=_job(evaluated_on, EVALUATION_MINUTES, prices),
        steps_usd=_steps(package.config, prices),
    )


def summary(runs: Sequence[RunCost]) -> list[str]:
    """A line for each package."""
    return [
        f"A run of the retraining loop of {run.package}: at most {_usd(run.usd)} (training on {run.training}: "
        f"{_usd(run.training_usd)}; evaluation on {run.evaluation}: {_usd(run.evaluation_usd)}; steps: "
        f"{_usd(run.steps_usd)})"
        for run in runs
    ]


def _job(instance_type: str, minutes: int, prices: Prices) -> float | None:
    hourly = prices.of_instance(instance_type)
    return None if hourly is None else hourly * minutes / MINUTES_AN_HOUR


def _steps(config: PackageConfig, prices: Prices) -> float | None:
    """The function's time and the states that are passed, with a rollout of the longest kind."""
    looks = most_looks(config)
    seconds = STEPS * RETRAINING_SECONDS + looks * LOOK_SECONDS_AT_WORK
    units: dict[PriceName, float] = {
        "lambda_gb_second": seconds * RETRAINING_MEMORY_MB / MB_A_GB,
        "state_transition": TRANSITIONS + looks * LOOK_TRANSITIONS,
    }
    amounts = [None if (usd := prices.of(name)) is None else usd * count for name, count in units.items()]
    return None if None in amounts else sum(amount or 0.0 for amount in amounts)


def _usd(amount: float | None) -> str:
    return "unknown" if amount is None else f"${amount:,.2f}"
