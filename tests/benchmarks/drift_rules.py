"""The rules that the drift decision is compared with, each on one field of all windows of a stream at once.

Evidently's and NannyML's default rules are written down here again, because the libraries take a second or more a
window; drift_decision.py checks on a subset that the libraries say the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, kolmogorov

from tests.benchmarks.drift_streams import Codes, Values

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PSI_LIMIT, P_LIMIT, FIELDS = 0.2, 0.05, 30
EVIDENTLY_LIMIT, NANNYML_LIMIT = 0.1, 0.1
RULES = ("PSI > 0.2", "KS / chi-square p < 0.05", "Bonferroni", "Evidently", "NannyML")
"""By field; Evidently's and NannyML's are the defaults for a reference of more than 1,000 rows."""


@dataclass(frozen=True, slots=True)
class Scores:
    """One field's in every window: [windows] each."""

    psi: Floats
    p_value: Floats
    evidently: Floats
    """The Wasserstein distance in standard deviations; of a category the Jensen-Shannon distance in nats."""
    nannyml: Floats
    """The Jensen-Shannon distance in bits; of a number on bins by Doane's rule."""

    @property
    def verdicts(self) -> Bools:
        """Whether the field has changed, by each of RULES: [rules, windows]."""
        return np.stack(
            [
                self.psi > PSI_LIMIT,
                self.p_value < P_LIMIT,
                self.p_value < P_LIMIT / FIELDS,
                self.evidently >= EVIDENTLY_LIMIT,
                self.nannyml > NANNYML_LIMIT,
            ]
        )


def score_numbers(values: Values, sizes: Codes, reference: Values) -> Scores:
    """`values` of all windows, row after row."""
    ordered, window = np.sort(reference), np.repeat(np.arange(len(sizes)), sizes)
    deciles = np.unique(np.quantile(ordered, np.arange(0.1, 1.0, 0.1)))
    doane = np.histogram_bin_edges(reference.astype(np.float64), bins="doane")
    gap, distance = _gaps_and_distances(values, sizes, ordered)
    rows = sizes * len(reference) / (sizes + len(reference))
    return Scores(
        psi=_psi(
            _counts(np.searchsorted(deciles, values), window, len(deciles) + 1),
            _counts(np.searchsorted(deciles, reference), np.zeros(len(reference), np.int64), len(deciles) + 1)[0],
        ),
        p_value=kolmogorov(gap * np.sqrt(rows)),
        evidently=distance / reference.std(dtype=np.float64),
        nannyml=_jensen_shannon(_histograms(values, window, doane), _histograms(reference, None, doane)[0]),
    )


def score_codes(codes: Codes, sizes: Codes, reference: Codes, *, categories: int) -> Scores:
    """The same of categories."""
    found = _counts(codes, np.repeat(np.arange(len(sizes)), sizes), categories)
    expected = _counts(reference, np.zeros(len(reference), np.int64), categories)[0]
    distance = _jensen_shannon(found, expected)
    return Scores(
        psi=_psi(found, expected),
        p_value=_chi_square_p(found, expected),
        evidently=distance * math.sqrt(math.log(2.0)),
        nannyml=distance,
    )


def _counts(cells: Codes, window: Codes, count: int) -> Floats:
    windows = int(window[-1]) + 1
    return np.bincount(window * count + cells, minlength=windows * count).reshape(windows, count).astype(np.float64)


def _psi(found: Floats, expected: Floats) -> Floats:
    now, before = (np.maximum(each / each.sum(axis=-1, keepdims=True), 1e-4) for each in (found, expected))
    return np.asarray(((now - before) * np.log(now / before)).sum(axis=-1))


def _chi_square_p(found: Floats, expected: Floats) -> Floats:
    """Of the table of two rows, the window and the reference."""
    rows, reference_rows = found.sum(axis=1, keepdims=True), expected.sum()
    pooled = (found + expected) / (rows + reference_rows)
    terms = (found - rows * pooled) ** 2 / (rows * pooled) + (expected - reference_rows * pooled) ** 2 / (
        reference_rows * pooled
    )
    return np.asarray(chdtrc(found.shape[1] - 1, terms.sum(axis=1)))


def _jensen_shannon(found: Floats, expected: Floats) -> Floats:
    """The distance to base 2."""
    now, before = (each / each.sum(axis=-1, keepdims=True) for each in (found, expected))
    middle = np.maximum((now + before) / 2.0, 1e-300)
    parts = [each * np.log2(np.where(each > 0.0, each / middle, 1.0)) for each in (now, before)]
    return np.asarray(np.sqrt(np.maximum(0.0, (parts[0] + parts[1]).sum(axis=-1) / 2.0)))


def _histograms(values: Values, window: Codes | None, edges: Floats) -> Floats:
    """Counts in bins of equal width, and last those outside of all."""
    bins = len(edges) - 1
    place = np.floor((values - edges[0]) * (bins / (edges[-1] - edges[0]))).astype(np.int64)
    place = np.where(values == np.float32(edges[-1]), bins - 1, place)
    place = np.where((place < 0) | (place >= bins), bins, place)
    return _counts(place, np.zeros(len(values), np.int64) if window is None else window, bins + 1)


def _gaps_and_distances(values: Values, sizes: Codes, ordered: Values) -> tuple[Floats, Floats]:
    """The Kolmogorov-Smirnov statistic and the first Wasserstein distance of each window, exactly."""
    gaps, distances = np.zeros(len(sizes)), np.zeros(len(sizes))
    ends = np.cumsum(sizes)
    for rows in np.unique(sizes).tolist():
        chosen = np.flatnonzero(sizes == rows)
        each = np.sort(np.stack([values[ends[window] - rows : ends[window]] for window in chosen]), axis=1)
        gaps[chosen] = _largest_gaps(each, ordered)
        apart = np.repeat(each, len(ordered) // rows, axis=1)
        apart -= ordered
        distances[chosen] = np.abs(apart, out=apart).mean(axis=1, dtype=np.float64)
    return gaps, distances


def _largest_gaps(each: Values, ordered: Values) -> Floats:
    """Of distribution functions; ties, as whole numbers have, are looked at from both sides."""
    rows, has_ties = each.shape[1], len(np.unique(ordered)) < len(ordered) // 2
    above = np.searchsorted(ordered, each, side="right") / len(ordered)
    if not has_ties:
        steps = np.arange(rows + 1) / rows
        both = np.abs(above - steps[1:]), np.abs(above - steps[:-1])
        return np.asarray(np.maximum(*both).max(axis=1))
    places = np.unique(ordered)
    share = np.searchsorted(ordered, places, side="right") / len(ordered)
    found = np.stack([np.searchsorted(one, places, side="right") for one in each]) / rows
    return np.asarray(np.abs(found - share).max(axis=1))
