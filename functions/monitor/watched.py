"""The watched columns of one side of a baseline, and what a window shows in them. Nothing is decided here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self

import numpy as np

from functions.monitor.betting import Floats
from functions.monitor.rates import Rates
from functions.monitor.sequential_test import Observed, RateLimits
from model_packages.contract import Monitor
from model_packages.profile.baseline import Baseline
from model_packages.profile.columns import SIDES, Column, Side
from model_packages.profile.tally import Tally


@dataclass(frozen=True, slots=True)
class Change:
    """How one column differs from the baseline."""

    column: Column
    tolerance: float
    moved: float
    """The share of the rows that would have to move."""
    distribution_gap: float | None
    direction: Literal["more", "fewer"]
    words: str


@dataclass(frozen=True)
class Watched:
    """Columns with their tolerances, and what the baseline has in them."""

    side: Side
    rates: Rates
    tolerances: tuple[float, ...]
    fields: tuple[int, ...]
    """Each column's field, as Tally.unread counts them."""
    baseline: Tally

    @classmethod
    def of(cls, baseline: Baseline, monitor: Monitor, *, side: Side) -> Self:
        """All columns of a side but those of fields that are not to be watched."""
        owners = [owner for owner, field in enumerate(baseline.fields) for _ in field.columns]
        expected = [baseline.fields[owner].constraints for owner in owners]
        chosen = [
            index for index, column in enumerate(baseline.columns) if column.side == side and expected[index].watch
        ]
        return cls(
            side=side,
            rates=Rates(
                columns=tuple(baseline.columns[index] for index in chosen),
                slices=tuple(baseline.cells_of(index) for index in chosen),
            ),
            tolerances=tuple(expected[index].tolerance or monitor.tolerance for index in chosen),
            fields=tuple(owners[index] for index in chosen),
            baseline=baseline.tally,
        )

    def limits(self) -> RateLimits:
        """Of all rates; each column has the same weight."""
        sizes = self.rates.sizes
        return RateLimits(
            shares=self._baseline_shares,
            rows=self.baseline.rows_of(self.side),
            tolerances=self.rates.by_column(self.tolerances),
            weights=self.rates.by_column([1.0 / (len(sizes) * size) for size in sizes]),
            starts=self.rates.starts,
            is_tail=self.rates.is_tail,
        )

    def observed(self, tally: Tally, *, by_rows: bool) -> Observed:
        """What is bet on. A field with rows that could not be read counts as without a change."""
        rows = tally.rows_of(self.side)
        readable = self.rates.by_column([float(tally.unread[field] == 0) for field in self.fields])
        hits = self.rates.hits(tally.cells, np.asarray(rows)) * readable
        if by_rows or rows == 0:
            return Observed(rows, hits)
        block_rows = tally.blocks.rows[:, SIDES.index(self.side)]
        used = block_rows > 0
        if not used.any():  # folded without blocks: each row may depend on every other
            return Observed(rows, hits, hits[None, :] / rows, np.array([float(rows)]))
        block_rows, cells = block_rows[used], tally.blocks.cells[used]
        means = self.rates.hits(cells, block_rows) * readable / block_rows[:, None]
        return Observed(rows, hits, means, block_rows.astype(np.float64))

    def changes(self, tally: Tally, *, evidence: Floats) -> list[Change]:
        """Of every column. The words are about the rate with the most `evidence`, or without any the largest gain."""
        rows = tally.rows_of(self.side)
        shares = self.rates.hits(tally.cells, np.asarray(rows)) / max(1, rows)
        return [self._change(column, tally, shares, evidence) for column in range(len(self.rates.columns))]

    @cached_property
    def _baseline_shares(self) -> Floats:
        rows = self.baseline.rows_of(self.side)
        return self.rates.hits(self.baseline.cells, np.asarray(rows)) / max(1, rows)

    def _change(self, index: int, tally: Tally, shares: Floats, evidence: Floats) -> Change:
        where = self.rates.of_column(index)
        gains = shares[where] - self._baseline_shares[where]
        rate = where.start + int(np.lexsort((gains, evidence[where]))[-1])
        words, negated = self.rates.words(rate)
        now, before = (float(1.0 - each[rate] if negated else each[rate]) for each in (shares, self._baseline_shares))
        direction: Literal["more", "fewer"] = "more" if now >= before else "fewer"
        column = self.rates.columns[index]
        cells, expected = (
            self.rates.cell_shares(index, each.cells, each.rows_of(self.side)) for each in (tally, self.baseline)
        )
        return Change(
            column=column,
            tolerance=self.tolerances[index],
            moved=float(np.abs(cells - expected).sum() / 2.0),
            distribution_gap=_distribution_gap(cells, expected) if column.kind == "numeric" else None,
            direction=direction,
            words=f"{direction} rows are {words}: {now:.1%}, {before:.1%} in the baseline",
        )


def _distribution_gap(cells: Floats, expected: Floats) -> float:
    """Among the rows with a value."""
    one, other = (np.cumsum(shares[:-1]) / max(shares[:-1].sum(), 1e-12) for shares in (cells, expected))
    return float(np.abs(one - other).max())
