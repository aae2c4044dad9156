"""What can change of a column, as rates: the share of rows in each cell, in each tail, or without a value.

If at most a share d of the rows would have to move for a window to look as the baseline, none of these rates differs
by more than d. What the rates are compared with, and how surely they differ, is not known here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_packages.profile.columns import Column

Floats = NDArray[np.float64]
Cells = frozenset[int]
"""Some of a column's cells; the number after the last cell stands for rows without a value."""


@dataclass(frozen=True)
class Rates:
    """The rates of several columns, one column's after the other's. `slices` says where their cells are in a tally."""

    columns: tuple[Column, ...]
    slices: tuple[slice, ...]

    @cached_property
    def events(self) -> tuple[tuple[Cells, ...], ...]:
        """Each column's."""
        return tuple(tuple(events(column)) for column in self.columns)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Where each column's rates begin."""
        return tuple(accumulate(self.sizes[:-1], initial=0)) if self.columns else ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many rates each column has."""
        return tuple(len(one) for one in self.events)

    @property
    def is_tail(self) -> NDArray[np.bool_]:
        """Of each rate: whether it counts all numbers below an edge, or all above one."""
        return np.array([_is_tail(*each) for each in self._columns_of_events()], np.bool_)

    def of_column(self, column: int) -> slice:
        """Where a column's rates are."""
        return slice(self.starts[column], self.starts[column] + self.sizes[column])

    def by_column(self, values: Sequence[float]) -> Floats:
        """Each column's value, for each of its rates."""
        return np.repeat(np.asarray(values, np.float64), self.sizes)

    def hits(self, cells: NDArray[Any], rows: NDArray[Any]) -> Floats:
        """How many of the rows each rate counts: [..., T] cells and [...] rows give [..., rates]."""
        if not self.columns:
            return np.zeros((*rows.shape, 0))
        return np.concatenate(
            [
                _with_rest(cells[..., where], rows) @ masks
                for where, masks in zip(self.slices, self._masks, strict=True)
            ],
            axis=-1,
        )

    def cell_shares(self, column: int, cells: NDArray[Any], rows: int) -> Floats:
        """A column's cells, and last its rows without a value, as shares of the rows."""
        return _with_rest(cells[self.slices[column]], np.asarray(rows)) / max(1, rows)

    def words(self, rate: int) -> tuple[str, bool]:
        """Which rows a rate counts, as "above 5", and whether it is all but those."""
        column = bisect_right(self.starts, rate) - 1
        return words(self.columns[column], self.events[column][rate - self.starts[column]])

    def _columns_of_events(self) -> Iterator[tuple[Column, Cells]]:
        for column, found in zip(self.columns, self.events, strict=True):
            yield from ((column, event) for event in found)

    @cached_property
    def _masks(self) -> tuple[Floats, ...]:
        return tuple(
            np.array([[cell in event for event in found] for cell in range(column.cells + 1)], np.float64)
            for column, found in zip(self.columns, self.events, strict=True)
        )


def events(column: Column) -> list[Cells]:
    """Every cell and all but it; of numbers also each tail, both tails together, and what is between them."""
    everything = frozenset(range(column.cells + 1))
    found = [frozenset({cell}) for cell in everything]
    found += [everything - cell for cell in found]
    if column.kind == "numeric":
        found += _intervals(column.cells)
    return list(dict.fromkeys(event for event in found if event and event != everything))


def words(column: Column, event: Cells) -> tuple[str, bool]:
    """Which values fall into these cells, and whether it is all but those."""
    rest = column.cells
    others = frozenset(range(rest + 1)) - event
    if event == {rest} or others == {rest}:
        return "without a value", others == {rest}
    if column.kind == "category":
        return column.labels[min(event if len(event) == 1 else others)], len(event) > 1
    if rest in event:
        return column.labels[min(others)], True
    if max(event) - min(event) == len(event) - 1:
        return _interval(column, min(event), max(event)), False
    inside = others - {rest}
    return f"up to {column.edges[min(inside) - 1]:.6g} or above {column.edges[max(inside)]:.6g}", False


def _intervals(cells: int) -> Iterator[Cells]:
    for cut in range(1, cells):
        yield frozenset(range(cut))
        yield frozenset(range(cut, cells))
    for cut in range(1, (cells + 1) // 2):
        inside = frozenset(range(cut, cells - cut))
        yield inside
        yield frozenset(range(cells)) - inside


def _is_tail(column: Column, event: Cells) -> bool:
    has_an_end = not {0, column.cells - 1}.isdisjoint(event)
    in_a_row = max(event) - min(event) == len(event) - 1
    return column.kind == "numeric" and column.cells not in event and in_a_row and has_an_end


def _interval(column: Column, first: int, last: int) -> str:
    edges = column.edges
    if first == last:
        return column.labels[first]
    if first == 0:
        return f"up to {edges[last]:.6g}"
    if last == len(edges):
        return f"above {edges[first - 1]:.6g}"
    return f"{edges[first - 1]:.6g} to {edges[last]:.6g}"


def _with_rest(cells: NDArray[Any], rows: NDArray[Any]) -> Floats:
    rest = rows - cells.sum(axis=-1)
    return np.concatenate([cells, rest[..., None]], axis=-1).astype(np.float64)
