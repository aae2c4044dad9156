"""Streams of windows for the benchmark of the drift decision: what changes in each kind of traffic, and what does not.

30 fields: ten normal, six lognormal and four whole numbers, ten categories. A window is made field by field, so that
a stream of 200 windows never has to be in memory. Everything follows from a seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

NUMERIC, CATEGORIES, WINDOWS, REFERENCE_ROWS, ROWS, SEASON = 20, 10, 200, 10_000, 1_000, 24
KINDS = ("no change", "jitter", "varying sizes", "bursty", "seasonal")

MEASURED_ERROR = 0.05
"""Jitter: a number's mean wobbles by this many standard deviations from window to window, a category's share by 5 %."""
LARGEST_RHYTHM = 0.4
"""Season: the standard deviations by which a number's mean goes up and down each day."""
ALIKE = 0.9
"""Burst: the share of a number's variance, and of the rows with the same category, that one caller's rows share."""

Values = NDArray[np.float32]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Stream:
    """One stream and the reference that it is compared with. `kind` is one of KINDS."""

    kind: str
    seed: int

    @cached_property
    def sizes(self) -> Codes:
        """Rows of each window; all of them divide REFERENCE_ROWS."""
        if self.kind == "varying sizes":
            return self._draw("sizes").choice(np.array([200, 500, 1000, 2000, 5000]), WINDOWS)
        if self.kind == "seasonal":
            return self._rows_at(np.arange(WINDOWS))
        return np.full(WINDOWS, ROWS)

    @cached_property
    def window_of_row(self) -> Codes:
        return np.repeat(np.arange(WINDOWS), self.sizes)

    @cached_property
    def block_of_row(self) -> Codes:
        """Whose row it is, within its window: bursts of a caller's rows, few of them long. Otherwise one block."""
        if self.kind != "bursty":
            return np.zeros(len(self.window_of_row), np.int64)
        draw = self._draw("callers")
        return np.concatenate([_bursts(draw, int(rows)) for rows in self.sizes])

    def reference_numbers(self, field: int) -> Values:
        """What the model was trained on."""
        draw = self._draw(f"reference {field}")
        latent = draw.standard_normal(REFERENCE_ROWS, dtype=np.float32)
        return _number(field, latent + self._rhythm(field)[self._reference_hours].astype(np.float32))

    def reference_codes(self, field: int) -> Codes:
        draw = self._draw(f"reference category {field}")
        return _codes(draw, self._shares_at(field), self._reference_hours)

    def numbers(self, field: int, *, shift: float = 0.0) -> Values:
        """One field of all windows, row after row. The same rows with another `shift`, in standard deviations."""
        draw = self._draw(f"numbers {field}")
        latent = draw.standard_normal(len(self.window_of_row), dtype=np.float32)
        if self.kind == "bursty":
            own = draw.standard_normal(self._callers.max() + 1, dtype=np.float32)[self._callers]
            latent = np.float32(ALIKE**0.5) * own + np.float32((1.0 - ALIKE) ** 0.5) * latent
        move = self._rhythm(field)[np.arange(WINDOWS) % SEASON] + shift
        if self.kind == "jitter":
            move = move + MEASURED_ERROR * draw.standard_normal(WINDOWS)
        return _number(field, latent + move.astype(np.float32)[self.window_of_row])

    def codes(self, field: int, *, moved: float = 0.0) -> Codes:
        """One category field of all windows; a share `moved` of the rows has the rarest category instead."""
        draw = self._draw(f"codes {field}")
        shares = self._shares_at(field)[np.arange(WINDOWS) % SEASON]
        if self.kind == "jitter":
            shares = shares * np.exp(MEASURED_ERROR * draw.standard_normal(shares.shape))
            shares = shares / shares.sum(axis=1, keepdims=True)
        codes = _codes(draw, shares, self.window_of_row)
        if self.kind == "bursty":
            first = np.unique(self._callers, return_index=True)[1]
            codes = np.where(draw.random(len(codes)) < ALIKE, codes[first][self._callers], codes)
        rarest = int(category_shares(field).argmin())
        return np.where(draw.random(len(codes)) < moved, rarest, codes)

    def _draw(self, what: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, KINDS.index(self.kind), *what.encode()])

    @cached_property
    def _callers(self) -> Codes:
        """Each row's caller, over all windows."""
        return np.asarray(np.unique(self.window_of_row * ROWS + self.block_of_row, return_inverse=True)[1])

    @cached_property
    def _reference_hours(self) -> Codes:
        if self.kind != "seasonal":
            return np.zeros(REFERENCE_ROWS, np.int64)
        rows = self._rows_at(np.arange(SEASON))
        return self._draw("hours").choice(SEASON, REFERENCE_ROWS, p=rows / rows.sum())

    def _rows_at(self, windows: Codes) -> Codes:
        return np.array([500, 1000, 2000])[windows % SEASON // 8]

    def _rhythm(self, field: int) -> NDArray[np.float64]:
        if self.kind != "seasonal":
            return np.zeros(SEASON)
        size = LARGEST_RHYTHM * (1 + field % 4) / 4
        return size * np.sin(2.0 * np.pi * (np.arange(SEASON) / SEASON + field / NUMERIC))

    def _shares_at(self, field: int) -> NDArray[np.float64]:
        """Of each category at each hour."""
        shares = np.tile(category_shares(field), (SEASON, 1))
        if self.kind == "seasonal":
            turn = 2.0 * np.pi * (np.arange(SEASON)[:, None] / SEASON + np.arange(shares.shape[1]) / shares.shape[1])
            shares = shares * np.exp(LARGEST_RHYTHM * np.sin(turn))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def category_shares(field: int) -> NDArray[np.float64]:
    """Of a field with 3 to 12 categories."""
    shares = 0.75 ** np.arange(3 + field)
    return np.asarray(shares / shares.sum())


def _number(field: int, latent: Values) -> Values:
    if field < 10:
        return latent
    if field < 16:
        return np.asarray(np.exp(np.float32(0.75) * latent))
    return np.asarray(np.floor(np.float32(6.0) * np.exp(np.float32(0.5) * latent)))


def _codes(draw: np.random.Generator, shares: NDArray[np.float64], of_row: Codes) -> Codes:
    """A category for each row, by those of the `shares` that are the row's."""
    ends = np.cumsum(shares, axis=1)
    ends[:, -1] = 1.0
    places = (np.arange(len(shares))[:, None] + ends).ravel()
    found = np.searchsorted(places, of_row + draw.random(len(of_row)), side="right")
    return np.asarray(found - of_row * shares.shape[1])


def _bursts(draw: np.random.Generator, rows: int) -> Codes:
    lengths = np.minimum(200, 1 + (5.0 * draw.pareto(1.2, rows)).astype(np.int64))
    return np.repeat(np.arange(rows), lengths)[:rows]
