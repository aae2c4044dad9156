"""One line of the cost table, and sums of lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class CostLine:
    """What one resource, or one use of it, costs a month.

    `least_usd` is at the fewest instances, `most_usd` at the most that scaling allows; both are None where the price
    is unknown, and `missing` then says what has no price. `usd_a_million` is by use: for a million requests.
    """

    stack: str
    package: str | None
    resource_type: str
    what: str
    least_usd: float | None = 0.0
    most_usd: float | None = 0.0
    usd_a_million: float | None = 0.0
    requests_a_month: int = 0
    missing: str | None = None
    metrics: int = 0
    """Custom metrics that the line is about."""

    @property
    def used_usd(self) -> float | None:
        """The expected use of a month."""
        return None if self.usd_a_million is None else self.usd_a_million * self.requests_a_month / MILLION


@dataclass(frozen=True, slots=True)
class Total:
    """A sum of lines. A part is None where one of its lines has no price: it is never counted as nothing."""

    least_usd: float | None
    most_usd: float | None
    usd_a_million: float | None
    used_usd: float | None

    @property
    def monthly_usd(self) -> float | None:
        """At the fewest instances, with the expected use: what a budget is compared with."""
        return _sum([self.least_usd, self.used_usd])

    @property
    def most_monthly_usd(self) -> float | None:
        """At the most instances, with the expected use."""
        return _sum([self.most_usd, self.used_usd])


def total(lines: Iterable[CostLine]) -> Total:
    """The sum of each column."""
    lines = list(lines)
    return Total(
        least_usd=_sum([line.least_usd for line in lines]),
        most_usd=_sum([line.most_usd for line in lines]),
        usd_a_million=_sum([line.usd_a_million for line in lines]),
        used_usd=_sum([line.used_usd for line in lines]),
    )


def _sum(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None
