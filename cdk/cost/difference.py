"""What a deploy would change of the cost: the lines of the deployed templates against those of the new ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cdk.cost.estimate import Estimate
from cdk.cost.lines import CostLine, total
from cdk.cost.table import usd


@dataclass(frozen=True, slots=True)
class Change:
    """The monthly cost of one package, or of the platform, before and after; None where a price is unknown."""

    owner: str
    before_usd: float | None
    after_usd: float | None
    gone: tuple[str, ...]
    """What of the deployed templates is not in the new ones, or costs something else there."""
    new: tuple[str, ...]

    @property
    def difference_usd(self) -> float | None:
        if self.before_usd is None or self.after_usd is None:
            return None
        return self.after_usd - self.before_usd

    @property
    def is_none(self) -> bool:
        return not self.gone and not self.new


def compare(before: Estimate, after: Estimate) -> tuple[Change, ...]:
    """One entry for each owner of either."""
    owners = dict.fromkeys([*after.owners, *before.owners])
    return tuple(_change(owner, before.of(owner), after.of(owner)) for owner in owners)


def text(changes: Sequence[Change]) -> str:
    """For a person: each owner, and the lines that differ."""
    return "\n".join(["Cost a month in USD, deployed and new:", *(line for each in changes for line in _lines(each))])


def _change(owner: str, before: Sequence[CostLine], after: Sequence[CostLine]) -> Change:
    old, new = (_described(lines) for lines in (before, after))
    return Change(
        owner=owner,
        before_usd=total(before).monthly_usd,
        after_usd=total(after).monthly_usd,
        gone=tuple(_surplus(old, new)),
        new=tuple(_surplus(new, old)),
    )


def _described(lines: Sequence[CostLine]) -> list[str]:
    return [f"{line.resource_type} {line.what}: {_amount(line)}" for line in lines]


def _amount(line: CostLine) -> str:
    if line.usd_a_million:
        return f"{usd(line.usd_a_million)} a million requests"
    return usd(line.least_usd) if line.least_usd == line.most_usd else f"{usd(line.least_usd)} to {usd(line.most_usd)}"


def _surplus(these: Sequence[str], those: Sequence[str]) -> Iterator[str]:
    """What these hold more often than those."""
    for line in dict.fromkeys(these):
        yield from [line] * (these.count(line) - those.count(line))


def _lines(change: Change) -> Iterator[str]:
    if change.is_none:
        yield f"  {change.owner}: {usd(change.after_usd)}, no change"
        return
    difference = change.difference_usd
    sign = "unknown" if difference is None else f"{'+' if difference >= 0 else '-'}{usd(abs(difference))}"
    yield f"  {change.owner}: {usd(change.before_usd)} -> {usd(change.after_usd)} ({sign})"
    yield from (f"    - {line}" for line in change.gone)
    yield from (f"    + {line}" for line in change.new)
