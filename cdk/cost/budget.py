"""What may be spent: each package's `[budget] monthly_usd`, and the environment's `monthly_budget_usd`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cdk.cost.estimate import Estimate
from cdk.cost.lines import CostLine, Total, total
from cdk.preflight.findings import Finding, error, warning
from cdk.preflight.installation import Installation

OVER_BUDGET = error(
    "over-budget", "At the fewest instances and the expected use, the month costs more than the budget allows."
)
OVER_BUDGET_AT_MOST = warning(
    "over-budget-when-scaled", "At the most instances that scaling allows, the month costs more than the budget allows."
)
PRICE_UNKNOWN = error(
    "budget-price-unknown", "There is a budget, and something in it has no price: whether it is kept cannot be told."
)
PRICE_MISSING = warning("price-unknown", "Something has no price, and the table shows `unknown` in place of a sum.")
RULES = (OVER_BUDGET, OVER_BUDGET_AT_MOST, PRICE_UNKNOWN, PRICE_MISSING)


def check(installation: Installation, found: Estimate, *, monthly_budget_usd: float | None = None) -> Iterator[Finding]:
    """Compares each package with its budget, and everything together with the environment's."""
    for _, package in installation.packages:
        lines, allowed = found.of(package.name), package.config.budget.monthly_usd
        where = f"{package.name}/package.toml, budget.monthly_usd"
        yield from _findings(lines, where=where, allowed_usd=allowed, found=found, package=package.name)
    platform = [line for line in found.lines if line.package is None]
    everything = platform if monthly_budget_usd is None else list(found.lines)
    yield from _findings(
        everything, where="cdk.json, monthly_budget_usd", allowed_usd=monthly_budget_usd, found=found, package=None
    )


def _findings(
    lines: Sequence[CostLine], *, where: str, allowed_usd: float | None, found: Estimate, package: str | None
) -> Iterator[Finding]:
    missing = sorted({line.missing for line in lines if line.missing})
    if missing:
        rule = PRICE_MISSING if allowed_usd is None else PRICE_UNKNOWN
        yield rule.broken(
            where,
            found=f"no price of {', '.join(missing)}",
            allowed="a price with its source",
            change=f"add it to {found.prices.file}",
            package=package,
        )
    elif allowed_usd is not None:
        yield from _compared(lines, where=where, allowed_usd=allowed_usd, package=package)


def _compared(lines: Sequence[CostLine], *, where: str, allowed_usd: float, package: str | None) -> Iterator[Finding]:
    sums = total(lines)
    least, most = _known(sums)
    if least > allowed_usd:
        yield OVER_BUDGET.broken(
            where,
            found=f"${least:,.2f} a month{_mainly(lines)}",
            allowed=f"${allowed_usd:,.2f}",
            change="fewer endpoint.minimum_instances, a smaller endpoint.instance_type, or a larger budget",
            package=package,
        )
    elif most > allowed_usd:
        yield OVER_BUDGET_AT_MOST.broken(
            where,
            found=f"${most:,.2f} a month if every instance of endpoint.maximum_instances runs all the time",
            allowed=f"${allowed_usd:,.2f}",
            change="fewer endpoint.maximum_instances, or a larger budget",
            package=package,
        )


def _known(sums: Total) -> tuple[float, float]:
    if sums.monthly_usd is None or sums.most_monthly_usd is None:
        raise AssertionError("a line without a price has been reported before")
    return sums.monthly_usd, sums.most_monthly_usd


def _mainly(lines: Sequence[CostLine]) -> str:
    """The line that costs most."""
    most = max(lines, key=lambda line: (line.least_usd or 0.0) + (line.used_usd or 0.0))
    return f", of which ${(most.least_usd or 0.0) + (most.used_usd or 0.0):,.2f} for {most.what}"
