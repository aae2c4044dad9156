"""The cost of an installation: the lines of all its stacks, and what they leave out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdk.cost.lines import CostLine, Total, total
from cdk.cost.prices import Prices, read_prices
from cdk.cost.pricing import BY_USE, lines_of
from cdk.cost.retraining import RunCost, run_cost
from cdk.cost.usage import usage_of
from cdk.preflight.installation import Installation

NEVER_COUNTED = (
    "the second fleet while a rollout lasts",
    "the volumes that SageMaker chooses the size of",
    "images in ECR",
    "requests to KMS and S3",
    "detailed metrics of the API and the endpoints",
    "data out of AWS",
    "taxes, free tiers and discounts",
)
PLATFORM = "platform"
"""What the table calls the lines that belong to no package."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The lines of an installation, at the prices of one file."""

    lines: tuple[CostLine, ...]
    prices: Prices
    region: str | None = None
    """Where the templates go, if they say so."""
    by_use: tuple[str, ...] = ()
    """Costs of the installation by a use that nobody has stated."""
    runs: tuple[RunCost, ...] = ()
    """What one run of each package's retraining loop costs at most."""

    @property
    def total(self) -> Total:
        return total(self.lines)

    @property
    def owners(self) -> Sequence[str]:
        """The packages, and the platform, in the order of their stacks."""
        return list(dict.fromkeys(line.package or PLATFORM for line in self.lines))

    def of(self, owner: str) -> Sequence[CostLine]:
        """The lines of a package, or of the platform."""
        return [line for line in self.lines if (line.package or PLATFORM) == owner]


def estimate(installation: Installation, *, prices: Prices | None = None) -> Estimate:
    """What the installation costs a month.

    Raises: OperatorError if the price file cannot be used.
    """
    region = next((stack.region for stack in installation.stacks if stack.region), None)
    found = prices or read_prices(region)
    return Estimate(
        lines=tuple(
            line
            for stack in installation.stacks
            for line in lines_of(stack, usage=usage_of(stack, installation), prices=found)
        ),
        prices=found,
        region=region,
        by_use=_by_use(installation),
        runs=tuple(run_cost(package, prices=found) for _, package in installation.packages),
    )


def _by_use(installation: Installation) -> tuple[str, ...]:
    types = {resource.type for stack in installation.stacks for resource in stack.resources()}
    return tuple(dict.fromkeys(what for resource_type, what in BY_USE.items() if resource_type in types))
