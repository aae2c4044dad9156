"""How far a window is from the baseline, column by column, from their counts in the same cells. numpy only.

Every distance has beside it its `noise`: about what it would be on average if nothing had changed and the rows were
independent of each other, for as many rows as there are. In 200 rows a PSI of 0.1 is nothing. Nothing is decided here:
p-values look once and believe that rows are independent (decision.py does neither).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_MEAN_DEVIATION = math.sqrt(2 / math.pi)
"""Of a standard normal: the mean of its absolute value."""
_MEAN_KOLMOGOROV = math.sqrt(math.pi / 2) * math.log(2)
_SEEN_ON_A_GRID = 0.5826
"""-zeta(1/2) / sqrt(2 pi): a random walk's largest value falls this many steps short of the Brownian motion's."""
_PSEUDO_COUNT = 0.5
"""Added to each cell for PSI, which is infinite where one of the two samples has an empty cell."""


class BinnedColumn(Protocol):
    """What is asked of a column: model_packages.profile's `Column` has it."""

    @property
    def kind(self) -> str: ...
    @property
    def edges(self) -> Sequence[float]: ...
    @property
    def categories(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Distances:
    """One column's. None: the distance is not defined for the column's kind."""

    rows: int
    """Of the window that have a value here."""
    baseline_rows: int
    total_variation: float
    """This share of the rows would have to move to another cell to look as in the baseline. Tolerances are about it."""
    total_variation_noise: float
    psi: float
    psi_noise: float
    js_divergence: float
    """Jensen-Shannon, to base 2: 0 to 1."""
    js_distance: float
    """Its square root, which is a metric."""
    js_noise: float
    """Of the distance."""
    ks: float | None = None
    """The largest difference of the two distribution functions at an edge; between edges it may be larger."""
    ks_noise: float | None = None
    ks_p_value: float | None = None
    wasserstein: float | None = None
    """How far the rows would have to move on average, in standard deviations of the baseline. What lies beyond the
    outermost edges counts as lying on them, and within a cell the values count as evenly spread."""
    wasserstein_noise: float | None = None
    chi_square: float | None = None
    chi_square_freedom: int | None = None
    chi_square_p_value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Where each column's cells are among all of them, one column after the other."""

    starts: NDArray[np.intp]
    column: NDArray[np.intp]
    """The column of each cell."""
    numeric: NDArray[np.bool_]
    """Of each column."""
    width: Floats
    """Of each cell; 0 for a cell without two ends."""
    middle: Floats
    """Of each cell; an outer cell's is its only edge."""

    @classmethod
    def of(cls, columns: Sequence[BinnedColumn]) -> Cells:
        sizes = [_size(column) for column in columns]
        ends = np.cumsum([0, *sizes])
        return cls(
            starts=ends[:-1],
            column=np.repeat(np.arange(len(sizes)), sizes),
            numeric=np.array([column.kind == "numeric" for column in columns], dtype=bool),
            width=_joined(_widths(column) for column in columns),
            middle=_joined(_middles(column) for column in columns),
        )

    def total(self, values: NDArray[Any]) -> NDArray[Any]:
        """The sum over each column's cells."""
        return self._reduced(np.add, values)

    def largest(self, values: Floats) -> Floats:
        """The largest of each column's cells."""
        return self._reduced(np.maximum, values)

    def cumulative(self, values: Floats) -> Floats:
        """The sum up to each cell, from its column's first on."""
        running = np.cumsum(values)
        before = running[self.starts] - values[self.starts]
        return running - before[self.column]

    def _reduced(self, function: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
        return function.reduceat(values, self.starts) if len(self.starts) else values[:0]


def compare(columns: Sequence[BinnedColumn], *, baseline: Counts, window: Counts) -> list[Distances | None]:
    """The distances of each column; None where the baseline or the window has no value to compare.

    `baseline` and `window` are int64[T]: the counts of all columns' cells, in the columns' order.
    """
    cells = Cells.of(columns)
    for name, counts in (("baseline", baseline), ("window", window)):
        if counts.shape != cells.width.shape:
            raise ValueError(
                f"the {name} has counts of shape {counts.shape}; the columns have {len(cells.width)} cells"
            )
    pair = _Pair.of(cells, baseline=baseline, window=window)
    values = {name: measure(pair) for name, measure in _MEASURES.items()}
    return [_distances_of(pair, values, index) for index in range(len(columns))]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Both samples, as shares of each column's rows. A column without rows has shares of 0."""

    cells: Cells
    baseline_counts: Counts
    window_counts: Counts
    baseline_rows: Counts
    window_rows: Counts
    baseline: Floats
    window: Floats
    pooled: Floats
    noise: Floats
    """1/n + 1/m of each column: the variance of a difference of shares is p (1 - p) times this."""

    @classmethod
    def of(cls, cells: Cells, *, baseline: Counts, window: Counts) -> _Pair:
        rows, window_rows = cells.total(baseline), cells.total(window)
        some, some_window = np.maximum(rows, 1), np.maximum(window_rows, 1)
        return cls(
            cells=cells,
            baseline_counts=baseline,
            window_counts=window,
            baseline_rows=rows,
            window_rows=window_rows,
            baseline=baseline / some[cells.column],
            window=window / some_window[cells.column],
            pooled=(baseline + window) / (some + some_window)[cells.column],
            noise=1 / some + 1 / some_window,
        )

    @property
    def freedom(self) -> NDArray[np.int64]:
        """One less than the cells that have any row."""
        used = self.cells.total(((self.baseline_counts + self.window_counts) > 0).astype(np.int64))
        freedom: NDArray[np.int64] = np.maximum(used - 1, 0)
        return freedom

    @property
    def gap(self) -> Floats:
        """The difference of the two distribution functions at each cell's upper end; at a column's last it is 0."""
        return self.cells.cumulative(self.window - self.baseline)


def _psi(pair: _Pair) -> Floats:
    expected = _smoothed(pair.cells, pair.baseline_counts, pair.baseline_rows)
    found = _smoothed(pair.cells, pair.window_counts, pair.window_rows)
    return pair.cells.total((found - expected) * np.log(found / expected))


def _smoothed(cells: Cells, counts: Counts, rows: Counts) -> Floats:
    sizes = cells.total(np.ones_like(cells.width))
    shares: Floats = (counts + _PSEUDO_COUNT) / (rows + _PSEUDO_COUNT * sizes)[cells.column]
    return shares


def _psi_noise(pair: _Pair) -> Floats:
    """PSI is about chi-square times 1/n + 1/m where nothing has changed."""
    return pair.freedom * pair.noise


def _js_divergence(pair: _Pair) -> Floats:
    middle = (pair.baseline + pair.window) / 2
    halves = _relative_entropy(pair.baseline, middle) + _relative_entropy(pair.window, middle)
    return np.clip(pair.cells.total(halves) / 2, 0.0, 1.0)


def _relative_entropy(shares: Floats, middle: Floats) -> Floats:
    ratio = np.divide(shares, middle, out=np.ones_like(shares), where=shares > 0)
    return shares * np.log2(ratio)


def _js_distance(pair: _Pair) -> Floats:
    return np.sqrt(_js_divergence(pair))


def _js_noise(pair: _Pair) -> Floats:
    """The divergence is about chi-square times (1/n + 1/m) / (8 ln 2): the mean of its root is chi's."""
    return np.array([_mean_chi(int(freedom)) for freedom in pair.freedom]) * np.sqrt(pair.noise / (8 * math.log(2)))


def _total_variation(pair: _Pair) -> Floats:
    return np.minimum(pair.cells.total(np.abs(pair.window - pair.baseline)) / 2, 1.0)


def _total_variation_noise(pair: _Pair) -> Floats:
    deviation = _MEAN_DEVIATION * np.sqrt(pair.pooled * (1 - pair.pooled) * pair.noise[pair.cells.column])
    return pair.cells.total(np.minimum(deviation, 2 * pair.pooled)) / 2


def _ks(pair: _Pair) -> Floats:
    return np.minimum(pair.cells.largest(np.abs(pair.gap)), 1.0)


def _ks_noise(pair: _Pair) -> Floats:
    """Of the exact statistic, less what it loses by being looked at only at the edges."""
    step = np.sqrt(np.minimum(pair.cells.total(pair.pooled**2), 1.0))
    noise: Floats = (_MEAN_KOLMOGOROV - _SEEN_ON_A_GRID * step) * np.sqrt(pair.noise)
    return np.minimum(noise, _total_variation_noise(pair))


def _ks_p_value(pair: _Pair) -> Floats:
    root = 1 / np.sqrt(pair.noise)
    reached = (root + 0.12 + 0.11 / root) * _ks(pair)
    return np.array([kolmogorov_tail(float(value)) for value in reached])


def _wasserstein(pair: _Pair) -> Floats:
    gap = np.abs(pair.gap)
    before, crosses = np.roll(gap, 1), np.roll(pair.gap, 1) * pair.gap < 0
    both = gap + before
    mean = np.where(crosses, (gap**2 + before**2) / (2 * np.where(both > 0, both, 1.0)), both / 2)
    return _scaled(pair, pair.cells.total(pair.cells.width * mean))


def _wasserstein_noise(pair: _Pair) -> Floats:
    below = np.clip(pair.cells.cumulative(pair.pooled), 0.0, 1.0)
    deviation = np.sqrt(below * (1 - below) * pair.noise[pair.cells.column])
    mean = _MEAN_DEVIATION * (deviation + np.roll(deviation, 1)) / 2
    return _scaled(pair, pair.cells.total(pair.cells.width * mean))


def _scaled(pair: _Pair, moved: Floats) -> Floats:
    """By the baseline's standard deviation; 0 where it has none, and so no width to move over."""
    cells = pair.cells
    centred = cells.middle - cells.total(pair.baseline * cells.middle)[cells.column]
    spread = np.sqrt(cells.total(pair.baseline * (centred**2 + cells.width**2 / 12)))
    scaled: Floats = np.divide(moved, spread, out=np.zeros_like(moved), where=spread > 0)
    return scaled


_MEASURES: dict[str, Callable[[_Pair], Floats]] = {
    "psi": _psi,
    "psi_noise": _psi_noise,
    "js_divergence": _js_divergence,
    "js_distance": _js_distance,
    "js_noise": _js_noise,
    "total_variation": _total_variation,
    "total_variation_noise": _total_variation_noise,
    "ks": _ks,
    "ks_noise": _ks_noise,
    "ks_p_value": _ks_p_value,
    "wasserstein": _wasserstein,
    "wasserstein_noise": _wasserstein_noise,
}
_NUMERIC_ONLY = ("ks", "ks_noise", "ks_p_value", "wasserstein", "wasserstein_noise")


def _distances_of(pair: _Pair, values: dict[str, Floats], index: int) -> Distances | None:
    rows, baseline_rows = int(pair.window_rows[index]), int(pair.baseline_rows[index])
    if not rows or not baseline_rows:
        return None
    numeric = bool(pair.cells.numeric[index])
    numbers: dict[str, Any] = {
        name: float(found[index]) for name, found in values.items() if numeric or name not in _NUMERIC_ONLY
    }
    if numeric:
        return Distances(rows=rows, baseline_rows=baseline_rows, **numbers)
    own = pair.cells.column == index
    statistic, freedom = chi_square(pair.baseline_counts[own], pair.window_counts[own])
    return Distances(
        rows=rows,
        baseline_rows=baseline_rows,
        chi_square=statistic,
        chi_square_freedom=freedom,
        chi_square_p_value=chi_square_tail(statistic, freedom),
        **numbers,
    )


def chi_square(baseline: Counts, window: Counts) -> tuple[float, int]:
    """Pearson's statistic of homogeneity and its degrees of freedom: the baseline is a sample as the window is.

    Cells in which either sample should have less than one row are counted as one. Where even that one should have
    less, half a row is taken off its difference (Yates), so that a single row of a new category is weak evidence.
    """
    samples = _rare_cells_joined(np.stack([baseline, window]).astype(np.float64))
    samples = samples[:, samples.sum(axis=0) > 0]
    expected = samples.sum(axis=1, keepdims=True) * samples.sum(axis=0) / samples.sum()
    difference = np.abs(samples - expected)
    difference = np.where(expected.min(axis=0) < 1, np.maximum(difference - 0.5, 0.0), difference)
    return float((difference**2 / expected).sum()), samples.shape[1] - 1


def _rare_cells_joined(samples: Floats) -> Floats:
    expected = samples.sum(axis=1, keepdims=True) * samples.sum(axis=0) / samples.sum()
    rare = expected.min(axis=0) < 1
    return np.concatenate([samples[:, ~rare], samples[:, rare].sum(axis=1, keepdims=True)], axis=1)


def chi_square_tail(statistic: float, freedom: int) -> float:
    """The chance of more than `statistic`: the regularised upper incomplete gamma function at half of both.

    For whole and half degrees it is a finite sum: Q(a + 1, x) = Q(a, x) + x^a e^-x / Gamma(a + 1).
    """
    if freedom == 0 or statistic <= 0:
        return 1.0
    half = statistic / 2
    start, tail = (0.5, math.erfc(math.sqrt(half))) if freedom % 2 else (1.0, math.exp(-half))
    for step in range((freedom - 1) // 2):
        order = start + step
        tail += math.exp(order * math.log(half) - half - math.lgamma(order + 1))
    return min(tail, 1.0)


def kolmogorov_tail(reached: float) -> float:
    """The chance that Kolmogorov's limit exceeds `reached`; two series, each where it is quick."""
    if reached < 0.2:
        return 1.0
    if reached < 1.18:
        terms = (math.exp(-((2 * term - 1) ** 2) * math.pi**2 / (8 * reached**2)) for term in range(1, 5))
        return 1 - math.sqrt(2 * math.pi) / reached * math.fsum(terms)
    return 2 * math.fsum((1 - 2 * (term % 2 == 0)) * math.exp(-2 * (term * reached) ** 2) for term in range(1, 6))


def _mean_chi(freedom: int) -> float:
    """The mean of the root of a chi-square variable."""
    if not freedom:
        return 0.0
    return math.sqrt(2) * math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2))


def _size(column: BinnedColumn) -> int:
    return (len(column.edges) if column.kind == "numeric" else len(column.categories)) + 1


def _joined(parts: Iterable[Floats]) -> Floats:
    return np.concatenate([np.empty(0), *parts])


def _widths(column: BinnedColumn) -> Floats:
    widths = np.zeros(_size(column))
    if column.kind == "numeric":
        widths[1:-1] = np.diff(column.edges)
    return widths


def _middles(column: BinnedColumn) -> Floats:
    if column.kind != "numeric" or not len(column.edges):
        return np.zeros(_size(column))
    edges = np.asarray(column.edges, dtype=np.float64)
    return np.concatenate([edges[:1], (edges[1:] + edges[:-1]) / 2, edges[-1:]])
