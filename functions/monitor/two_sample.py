"""Whether feature vectors of images or embeddings come from where the baseline's came from: two tests, numpy only.

The kernel test sees any change of shape, the classifier a small shift of many features. Both take the bounded samples
that a tally keeps; work grows with the square of the rows, memory does not. Seeded by the data: the same samples give
the same numbers. Like every p-value here they look once and decide nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCK_ROWS = 256
"""No matrix of pairs is larger than this squared."""
PERMUTATIONS = 499
FOLDS = 5
LEAST_VECTORS = 20
"""Of each sample; fewer say nothing."""
_RIDGE_PER_ROW = 0.05
"""Of the classifier: standardised features need little weight, and many features of few rows must not fit noise."""
_NEWTON_STEPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoSampleResult:
    """`statistic` is about `chance` where nothing has changed, and larger where something has."""

    field: str
    test: Literal["mmd", "domain_classifier"]
    statistic: float
    """Of mmd: the squared distance of the means in the kernel's space, without bias, 0 to 2. Of domain_classifier: its
    area under the ROC curve on vectors it was not fitted to: how often it tells a window's vector from a baseline's."""
    chance: float
    p_value: float
    baseline_rows: int
    window_rows: int


class Sample(Protocol):
    """What is asked of a tally's sample: model_packages.profile's `Sample` has it."""

    @property
    def vectors(self) -> NDArray[Any]: ...


def compare_samples(*, baseline: Mapping[str, Sample], window: Mapping[str, Sample]) -> tuple[TwoSampleResult, ...]:
    """Both tests of every field that both tallies sampled, by the field's key, `request.image`."""
    return tuple(
        result
        for key in sorted(baseline.keys() & window.keys())
        for result in two_sample_tests(key, baseline=baseline[key].vectors, window=window[key].vectors)
    )


def two_sample_tests(field: str, *, baseline: NDArray[Any], window: NDArray[Any]) -> tuple[TwoSampleResult, ...]:
    """Both tests of vectors [n, d] and [m, d]; none where one of the samples is too small. A vector that is not finite
    is left out.
    """
    before, after = _finite(baseline), _finite(window)
    if min(len(before), len(after)) < LEAST_VECTORS or not before.shape[1]:
        return ()
    distance, distance_p = mmd(before, after)
    area, area_p = domain_classifier(before, after)
    rows: dict[str, Any] = {"field": field, "baseline_rows": len(before), "window_rows": len(after)}
    return (
        TwoSampleResult(test="mmd", statistic=distance, chance=0.0, p_value=distance_p, **rows),
        TwoSampleResult(test="domain_classifier", statistic=area, chance=0.5, p_value=area_p, **rows),
    )


def mmd(
    before: Floats, after: Floats, *, permutations: int = PERMUTATIONS, block_rows: int = BLOCK_ROWS, seed: int = 0
) -> tuple[float, float]:
    """The squared maximum mean discrepancy with a Gaussian kernel, and its p-value by permutation.

    The kernel is as wide as the median distance between vectors (Gretton et al., JMLR 2012).
    """
    generator = np.random.default_rng(seed)
    vectors = _standardised(np.concatenate([before, after]))
    members = np.zeros((len(vectors), permutations + 1))
    members[: len(before), 0] = 1
    for column in range(1, permutations + 1):
        members[generator.permutation(len(vectors))[: len(before)], column] = 1
    blocks = _kernel_blocks(vectors, width=_median_distance(vectors, generator), block_rows=block_rows)
    found = _discrepancies(blocks, members)
    return float(found[0]), float(np.mean(found >= found[0] - 1e-12))


def domain_classifier(before: Floats, after: Floats, *, seed: int = 0) -> tuple[float, float]:
    """Its area under the ROC curve by cross-validation, and the chance of as much where there is nothing to tell.

    Each fold's area is Mann and Whitney's statistic of vectors that the fold's classifier has not seen. The folds'
    classifiers see each other's vectors: of a linear one, each pair of folds says the same thing twice, so that the
    mean's variance is twice that of independent folds. (Measured: right from 8 features on, cautious below.)
    """
    vectors = np.concatenate([before, after])
    labels = np.repeat([0.0, 1.0], [len(before), len(after)])
    fold = _folds(labels, np.random.default_rng(seed))
    areas, variances = [], []
    for number in range(FOLDS):
        held = fold == number
        centre, spread = vectors[~held].mean(axis=0), _spread(vectors[~held])
        scaled = (vectors - centre) / spread
        weights = _logistic_regression(scaled[~held], labels[~held])
        areas.append(area_under_curve(scaled[held] @ weights[1:], labels[held] == 1))
        ones, zeros = int(labels[held].sum()), int((1 - labels[held]).sum())
        variances.append((ones + zeros + 1) / (12 * ones * zeros))
    area = float(np.mean(areas))
    return area, _normal_tail((area - 0.5) / math.sqrt(2 * sum(variances) / FOLDS**2))


def area_under_curve(scores: Floats, is_positive: NDArray[np.bool_]) -> float:
    """How often a positive's score is above a negative's; ties count half."""
    values, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse] if len(values) else scores
    positives = int(is_positive.sum())
    above = ranks[is_positive].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(scores) - positives)))


def _discrepancies(blocks: Iterator[tuple[slice, slice, Floats]], members: Floats) -> Floats:
    """The unbiased estimate for each column of `members` [N, P], which is 1 where a vector is of the first sample.

    With a a column of it and K the kernel without its diagonal: the first sample's pairs are a'Ka, and all others
    follow from K's sums by row.
    """
    rows, within = np.zeros(len(members)), np.zeros(members.shape[1])
    for here, there, kernel in blocks:
        rows[here] += kernel.sum(axis=1)
        inside = np.einsum("ip,ip->p", members[here], kernel @ members[there])
        if here == there:
            within += inside
        else:
            rows[there] += kernel.sum(axis=0)
            within += 2 * inside
    first = members[:, 0].sum()
    second = len(members) - first
    touching = members.T @ rows
    across, rest = touching - within, rows.sum() - 2 * touching + within
    found: Floats = within / (first * (first - 1)) + rest / (second * (second - 1)) - 2 * across / (first * second)
    return found


def _kernel_blocks(vectors: Floats, *, width: float, block_rows: int) -> Iterator[tuple[slice, slice, Floats]]:
    """The kernel's blocks on and above the diagonal, which is zero."""
    blocks = [slice(start, start + block_rows) for start in range(0, len(vectors), block_rows)]
    for index, here in enumerate(blocks):
        for there in blocks[index:]:
            kernel = np.exp(_squared_distances(vectors[here], vectors[there]) / (-2 * width**2))
            if here == there:
                np.fill_diagonal(kernel, 0)
            yield here, there, kernel


def _squared_distances(first: Floats, second: Floats) -> Floats:
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T
    distances: Floats = np.maximum(squares, 0.0)
    return distances


def _median_distance(vectors: Floats, generator: np.random.Generator) -> float:
    """Of some of the vectors."""
    some = vectors[np.sort(generator.permutation(len(vectors))[:BLOCK_ROWS])]
    above = _squared_distances(some, some)[np.triu_indices(len(some), k=1)]
    return math.sqrt(float(np.median(above))) or 1.0


def _logistic_regression(vectors: Floats, labels: Floats) -> Floats:
    """Weights, the intercept's first; Newton's method on the log-loss with a ridge."""
    columns = np.column_stack([np.ones(len(vectors)), vectors])
    ridge = np.diag([1e-9, *[_RIDGE_PER_ROW * len(vectors)] * vectors.shape[1]])
    weights = np.zeros(columns.shape[1])
    for _ in range(_NEWTON_STEPS):
        chances = 1 / (1 + np.exp(-np.clip(columns @ weights, -30, 30)))
        curvature = (columns * (chances * (1 - chances))[:, None]).T @ columns + ridge
        step = np.linalg.solve(curvature, columns.T @ (labels - chances) - ridge @ weights)
        weights = weights + step
        if np.abs(step).max() < 1e-6:
            break
    return weights


def _folds(labels: Floats, generator: np.random.Generator) -> NDArray[np.intp]:
    """Each vector's fold; every fold has its part of either sample."""
    fold = np.empty(len(labels), dtype=np.intp)
    for label in (0.0, 1.0):
        places = np.flatnonzero(labels == label)
        fold[generator.permutation(places)] = np.arange(len(places)) % FOLDS
    return fold


def _standardised(vectors: Floats) -> Floats:
    """By the mean and spread of both samples together, which a permutation leaves as they are."""
    standardised: Floats = (vectors - vectors.mean(axis=0)) / _spread(vectors)
    return standardised


def _spread(vectors: Floats) -> Floats:
    spread = vectors.std(axis=0)
    return np.where(spread > 0, spread, 1.0)


def _finite(vectors: NDArray[Any]) -> Floats:
    values = np.asarray(vectors, dtype=np.float64)
    return values[np.isfinite(values).all(axis=1)]


def _normal_tail(deviations: float) -> float:
    return math.erfc(deviations / math.sqrt(2)) / 2
