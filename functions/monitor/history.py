"""A package's own traffic, counted row by row: its windows as they were, and windows drawn from it.

A drawn window is made of the blocks that the package counts in: rows, stretches of rows that came one after the other,
or all rows of a caller. So what one block's rows have in common stays as it was, and nothing else does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from functions.monitor.captures import read_captures
from functions.monitor.rates import Rates
from functions.monitor.sequential_test import Observed
from model_packages.contract import Monitor
from model_packages.dataset import read_records
from model_packages.errors import OperatorError
from model_packages.profile.baseline import Baseline
from model_packages.profile.columns import SIDES, Side
from model_packages.profile.fold import fold
from model_packages.profile.tally import BLOCKS

MOST_ROWS = 10_000
"""The latest; more would tell little more and take long."""

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Rows in the order of time, as fold() takes them; `callers` are empty where nobody knows them."""

    rows: tuple[Mapping[str, Any], ...]
    callers: tuple[str, ...]
    is_captured: bool

    @classmethod
    def of_records(cls, folder: Path) -> Self:
        """Labelled records: requests without an answer. Raises: OperatorError if there is none."""
        records = sorted(read_records(folder), key=lambda record: record.get("time", ""))[-MOST_ROWS:]
        rows = tuple({"request": record["request"], "response": None} for record in records)
        return cls(rows, ("",) * len(rows), is_captured=False)

    @classmethod
    def of_captures(cls, folder: Path) -> Self:
        """Captured files, wherever below `folder`. Raises: OperatorError if there is no captured row in them."""
        files = sorted(path for path in folder.rglob("*") if path.name.endswith((".jsonl", ".jsonl.gz")))
        captures = sorted(
            chain.from_iterable(read_captures(path.read_bytes()).captures for path in files), key=lambda one: one.time
        )
        pairs = [(row, capture.caller) for capture in captures for row in capture.rows][-MOST_ROWS:]
        if not pairs:
            raise OperatorError(f"{folder} holds no captured row; allowed: *.jsonl files as data capture writes them")
        return cls(tuple(row for row, _ in pairs), tuple(caller for _, caller in pairs), is_captured=True)

    def sides(self) -> Iterator[Side]:
        """Those that any row has."""
        yield "request"
        if any(row.get("response") is not None for row in self.rows):
            yield "response"


@dataclass(frozen=True)
class History:
    """One side's rows on a baseline's cells, int32 [n, T], and which of them are one observation.

    `stretch` rows in a row are one block where it is more than 1; else all rows with the same of `callers`, int64 [n],
    where that is not empty; else each row is its own.
    """

    cells: NDArray[np.int32]
    rates: Rates
    window_rows: int
    stretch: int
    callers: Integers

    @classmethod
    def of(
        cls, traffic: Traffic, baseline: Baseline, rates: Rates, *, side: Side, monitor: Monitor, window_rows: int
    ) -> Self:
        """Rows without this side are left out."""
        has_side = np.array([row.get(side) is not None for row in traffic.rows])
        names = np.unique(np.asarray(traffic.callers)[has_side], return_inverse=True)[1]
        by_caller = monitor.block == "caller" and any(traffic.callers)
        return cls(
            cells=np.concatenate([_by_row(baseline, chunk, side) for chunk in _chunks(traffic.rows)]),
            rates=rates,
            window_rows=window_rows,
            stretch=math.ceil(window_rows * monitor.block_minutes / monitor.window_minutes)
            if monitor.block == "time"
            else 1,
            callers=names if by_caller else np.zeros(0, np.int64),
        )

    @property
    def rows(self) -> int:
        return len(self.cells)

    def in_order(self) -> Iterator[Observed]:
        """Windows of rows as they came; a rest that fills none is left out."""
        for start in range(0, self.rows - self.window_rows + 1, self.window_rows):
            rows = np.arange(start, start + self.window_rows)
            if len(self.callers):
                rows = rows[np.argsort(self.callers[rows], kind="stable")]
                yield self._observed(rows, np.unique(self.callers[rows], return_counts=True)[1])
            else:
                yield self._observed(rows, _cut(len(rows), self.stretch))

    def drawn(self, draw: np.random.Generator) -> Observed:
        """A window of blocks drawn with replacement."""
        if len(self.callers):
            return self._drawn_callers(draw)
        if self.stretch > 1:
            sizes = _cut(self.window_rows, min(self.stretch, self.rows))
            starts = draw.integers(0, self.rows - sizes.max() + 1, len(sizes))
            rows = np.concatenate([np.arange(start, start + size) for start, size in zip(starts, sizes, strict=True)])
            return self._observed(rows, sizes)
        return Observed(self.window_rows, self._hits(self.drawn_cells(draw, self.window_rows), self.window_rows))

    def drawn_cells(self, draw: np.random.Generator, rows: int) -> Integers:
        """What `rows` rows, each drawn with replacement, count to."""
        counts = np.bincount(draw.integers(0, self.rows, rows), minlength=self.rows)
        return np.rint(counts @ self._as_floats).astype(np.int64)

    @cached_property
    def _as_floats(self) -> NDArray[np.float64]:
        return self.cells.astype(np.float64)

    @cached_property
    def _rows_of_callers(self) -> list[Integers]:
        order = np.argsort(self.callers, kind="stable")
        return np.split(order, np.cumsum(np.bincount(self.callers))[:-1])

    def _drawn_callers(self, draw: np.random.Generator) -> Observed:
        chosen: list[Integers] = []
        while sum(map(len, chosen)) < self.window_rows:
            chosen.append(self._rows_of_callers[int(draw.integers(len(self._rows_of_callers)))])
        return self._observed(np.concatenate(chosen), np.array([len(rows) for rows in chosen]))

    def _observed(self, rows: Integers, sizes: Integers) -> Observed:
        """Of rows that lie block by block."""
        hits = self._hits(self.cells[rows].sum(axis=0), len(rows))
        if sizes.max() == 1:
            return Observed(len(rows), hits)
        found = np.add.reduceat(self.cells[rows], np.cumsum(sizes) - sizes, axis=0)
        return Observed(len(rows), hits, self.rates.hits(found, sizes) / sizes[:, None], sizes.astype(np.float64))

    def _hits(self, cells: NDArray[Any], rows: int) -> NDArray[np.float64]:
        return self.rates.hits(cells, np.asarray(rows))


def _by_row(baseline: Baseline, rows: Sequence[Mapping[str, Any]], side: Side) -> NDArray[np.int32]:
    blocks = fold(baseline, rows, block_keys=np.arange(len(rows))).blocks
    return blocks.cells[blocks.rows[:, SIDES.index(side)] > 0]


def _chunks(rows: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    """So many that each row can be a block."""
    yield from (rows[start : start + BLOCKS] for start in range(0, len(rows), BLOCKS))


def _cut(rows: int, length: int) -> Integers:
    """The sizes of the blocks of `length` that so many rows give; the last one may be shorter."""
    starts = np.arange(0, rows, length)
    return np.minimum(length, rows - starts)
