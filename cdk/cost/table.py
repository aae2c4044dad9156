"""The cost table: as lines for a person, and as JSON for cdk.out/cost.json."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from cdk.cost.estimate import NEVER_COUNTED, Estimate
from cdk.cost.lines import CostLine, Total, total
from cdk.cost.retraining import summary as runs_summary
from cdk.cost.watching import summary

Row: TypeAlias = tuple[str, str, str, str]

COLUMNS: Row = ("", "a month", "at most", "a million requests")
TYPE_PREFIX = "AWS::"


def text(found: Estimate) -> str:
    """A row for each package and resource type, sums, and what is not counted."""
    rows = [COLUMNS]
    for owner in found.owners:
        rows += [(owner, *_amounts(total(found.of(owner)))), *_type_rows(found.of(owner))]
    monthly, most, _ = _amounts(found.total)
    rows.append(("everything", monthly, most, ""))  # a million requests to which of the packages?
    return "\n".join([_heading(found), *_aligned(rows), *_notes(found)])


def document(found: Estimate) -> dict[str, Any]:
    """The same with every line, for a machine."""
    return {
        "prices": {"file": found.prices.file, "region": found.prices.region, "date": found.prices.date.isoformat()},
        "currency": found.prices.currency,
        "region": found.region,
        "total": _total(found.total),
        "packages": {owner: _total(total(found.of(owner))) for owner in found.owners},
        "lines": [asdict(line) for line in found.lines],
        "retraining_runs": [{**asdict(run), "usd": run.usd} for run in found.runs],
        "not_counted": [*found.by_use, *NEVER_COUNTED],
    }


def usd(amount: float | None) -> str:
    """An amount as the table shows it."""
    return "unknown" if amount is None else f"${amount:,.2f}"


def _heading(found: Estimate) -> str:
    prices = f"prices of {found.prices.region}, {found.prices.date.isoformat()}"
    elsewhere = (
        f"; there is no price file for {found.region}" if found.region not in (None, found.prices.region) else ""
    )
    return f"Cost a month in USD ({prices}{elsewhere}):"


def _type_rows(lines: Sequence[CostLine]) -> Iterator[Row]:
    for resource_type in dict.fromkeys(line.resource_type for line in lines):
        of_type = [line for line in lines if line.resource_type == resource_type]
        name = resource_type.removeprefix(TYPE_PREFIX).replace("::", " ")
        fixed = [line.what for line in of_type if line.least_usd != 0]
        what = ", ".join(dict.fromkeys(fixed or [line.what for line in of_type]))
        yield f"  {name}: {what}", *_amounts(total(of_type))


def _amounts(sums: Total) -> tuple[str, str, str]:
    return usd(sums.monthly_usd), usd(sums.most_monthly_usd), usd(sums.usd_a_million)


def _aligned(rows: Sequence[Row]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        amounts = "  ".join(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        yield f"  {row[0].ljust(widths[0])}  {amounts}"


def _notes(found: Estimate) -> Iterator[str]:
    for line in summary(found.lines, owners=found.owners):
        yield f"  Watching {line}."
    for line in runs_summary(found.runs):
        yield f"  {line}."
    missing = sorted({line.missing for line in found.lines if line.missing})
    if missing:
        yield f"  No price of {', '.join(missing)}: add it to {found.prices.file}."
    yield f"  Not counted: {'; '.join([*found.by_use, *NEVER_COUNTED])}."


def _total(sums: Total) -> dict[str, float | None]:
    return {**asdict(sums), "monthly_usd": sums.monthly_usd, "most_monthly_usd": sums.most_monthly_usd}
