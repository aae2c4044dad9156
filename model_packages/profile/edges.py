"""Where a numeric column's cells begin and end: about ten cells of equal share, and one for each value that many rows
have.

A column of few values has a cell for each. Below and above such values lies an empty cell where the schema allows any
number there, so that what was never seen shows, even in a column of one value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CELLS = 10
"""Cells of equal share, beside those of values that many rows have."""
FEW_VALUES = 12
"""A column with no more different values has a cell for each."""
TIE_SHARE = 0.05
"""A value that so large a share of the rows has gets a cell of its own."""
GRAIN = 1e-4
"""Computed numbers count as different from here on, as a share of the column's usual magnitude."""


def learn_edges(
    values: NDArray[np.float64],
    *,
    lowest: float | None = None,
    highest: float | None = None,
    is_whole: bool = False,
    noise: float | None = None,
) -> tuple[float, ...]:
    """The edges for `values` [n], none of them NaN; `lowest` and `highest` are the schema's bounds.

    A computed number differs in its last digits from one machine to another. `noise` is given for such: how large those
    differences may be at least, and then no edge lies where values cluster, but beside it.
    """
    if not len(values):
        return ()
    scale = float(np.abs(np.quantile(values, [0.05, 0.95])).max())
    grain = 0.0 if noise is None or is_whole else max(noise, GRAIN * scale)
    rounded = np.round(values / grain) * grain if grain > 0 else values
    seen, counts = np.unique(rounded, return_counts=True)
    is_tie = counts >= TIE_SHARE * len(values) if len(seen) > FEW_VALUES else np.ones(len(seen), dtype=np.bool_)
    step = grain or (0.5 if is_whole else 1e-9 * (scale or 1.0))
    edges = {*_edges_of_ties(seen, is_tie, step=step), *_edges_of_shares(seen[~is_tie], counts[~is_tie], len(values))}
    kept = {edge for edge in edges if not _is_beyond(edge, lowest=lowest, highest=highest)}
    return tuple(sorted(edge + grain / 2 for edge in kept))


def _is_beyond(edge: float, *, lowest: float | None, highest: float | None) -> bool:
    """Whether the schema leaves nothing on one side of an edge."""
    return (lowest is not None and edge < lowest) or (highest is not None and edge >= highest)


def _edges_of_ties(seen: NDArray[np.float64], is_tie: NDArray[np.bool_], *, step: float) -> list[float]:
    """Each tie lies between an edge at itself and one at the value before it, or `step` below it if it is the least."""
    places = np.flatnonzero(is_tie)
    before = [float(seen[place - 1]) if place else float(seen[0]) - step for place in places]
    return [*before, *map(float, seen[places])]


def _edges_of_shares(seen: NDArray[np.float64], counts: NDArray[np.int64], rows: int) -> list[float]:
    """Edges between cells of equal share, for the rows that are no ties."""
    if not len(seen):
        return []
    sums = np.cumsum(counts)
    cells = max(1, round(CELLS * int(sums[-1]) / rows))
    wanted = np.arange(1, cells) * sums[-1] / cells
    return [float(edge) for edge in seen[np.unique(np.searchsorted(sums, wanted))]]
