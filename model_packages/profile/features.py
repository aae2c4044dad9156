"""Tensors and images as numbers: a few measures of the values, a short feature vector, and where that vector lies among
the baseline's: the nearest of a few centroids, and projections on the baseline's main directions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from model_packages.profile.packing import packed, unpacked

Vectors = NDArray[np.float32]

MEASURES = ("mean", "spread", "minimum", "maximum")
"""Derived columns that need no baseline, in the order of `measure`."""
CLUSTER = "cluster"
"""The derived column that says which centroid is nearest."""
FEATURES = 64
"""A feature vector is at most this long."""
CENTROIDS = 16
PROJECTIONS = 4
ROWS_PER_CENTROID = 20
"""Fewer rows make fewer centroids."""
WEAK = 1e-6
"""A direction with less than this of the strongest one's variance is rounding noise."""
NOISE = 1e-6
"""How exact a tensor's values are, as a share of the largest."""

_ITERATIONS = 25
_SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMap:
    """Where a field's feature vectors lie: `centroids` [k, d], `mean` [d] and `directions` [p, d] of the baseline's.

    A row's place does not depend on the rows beside it, not even in its last digits, as a product of matrices would.
    """

    centroids: NDArray[np.float32]
    mean: NDArray[np.float32]
    directions: NDArray[np.float32]

    def nearest(self, vectors: Vectors) -> NDArray[np.intp]:
        """The centroid nearest to each row of [n, d]; the first of several."""
        wide = vectors.astype(np.float64)
        distances = [np.square(wide - centroid).sum(axis=1) for centroid in self.centroids.astype(np.float64)]
        places: NDArray[np.intp] = np.array(distances).argmin(axis=0)
        return places

    def projections(self, vectors: Vectors) -> NDArray[np.float64]:
        """[p, n]: how far each row of [n, d] lies along each direction."""
        centred = vectors.astype(np.float64) - self.mean
        along = [(centred * direction).sum(axis=1) for direction in self.directions.astype(np.float64)]
        return np.array(along).reshape(len(self.directions), len(vectors))

    @property
    def names(self) -> tuple[str, ...]:
        """The derived columns that need the baseline, without the cluster."""
        return tuple(f"projection_{number}" for number in range(1, len(self.directions) + 1))

    def as_json(self) -> dict[str, Any]:
        return {name: packed(getattr(self, name)) for name in ("centroids", "mean", "directions")}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        return cls(**{name: unpacked(document[name]) for name in ("centroids", "mean", "directions")})


def measure(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """The MEASURES of each row of [n, size], [len(MEASURES), n]."""
    wide = values.astype(np.float64)
    return np.array([wide.mean(axis=1), wide.std(axis=1), wide.min(axis=1), wide.max(axis=1)])


def feature_vectors(values: NDArray[np.float32], shape: Sequence[int], *, is_image: bool) -> Vectors:
    """[n, size] as [n, d] with d at most FEATURES.

    Few values are their own features. An image becomes means over a coarse grid. Any other tensor becomes a count
    sketch (Charikar et al. 2002): signed sums over FEATURES fixed groups, which keep distances on average.
    """
    if values.shape[1] <= FEATURES:
        return values
    return _grid(values, shape) if is_image else _sketch(values)


def learn_feature_map(vectors: Vectors) -> FeatureMap:
    """Centroids by k-means and directions by principal components, the same for the same vectors; zeros for none."""
    if not len(vectors):
        vectors = np.zeros((1, vectors.shape[1]), dtype=np.float32)
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors.astype(np.float64) - mean
    strengths, directions = np.linalg.eigh(centred.T @ centred)
    strongest = np.argsort(-strengths, kind="stable")[:PROJECTIONS]
    main = directions.T[strongest[strengths[strongest] > WEAK * max(strengths.max(), 0.0)]]
    if len(main):  # a direction and its opposite are one: the largest part is made positive
        main = main * np.sign(main[np.arange(len(main)), np.abs(main).argmax(axis=1)])[:, None]
    return FeatureMap(centroids=_centroids(vectors), mean=mean.astype(np.float32), directions=main.astype(np.float32))


def _grid(values: NDArray[np.float32], shape: Sequence[int]) -> Vectors:
    height, width, channels = (*shape, 1)[:3]
    side = math.isqrt(FEATURES // channels) if channels <= FEATURES else 1
    picture = values.reshape(len(values), height, width, channels)
    rows, columns = _cuts(height, side), _cuts(width, side)
    sums = np.add.reduceat(np.add.reduceat(picture, rows, axis=1, dtype=np.float64), columns, axis=2)
    sizes = np.outer(np.diff(rows, append=height), np.diff(columns, append=width))
    means = (sums / sizes[:, :, None]).reshape(len(values), -1)
    return means.astype(np.float32) if means.shape[1] <= FEATURES else _sketch(means.astype(np.float32))


def _cuts(length: int, parts: int) -> NDArray[np.intp]:
    return np.unique(np.arange(min(parts, length)) * length // min(parts, length))


def _sketch(values: NDArray[np.float32]) -> Vectors:
    size = values.shape[1]
    draw = np.random.default_rng(_SEED)
    order, signs = draw.permutation(size), draw.integers(0, 2, size=size) * 2.0 - 1.0
    sums = np.add.reduceat(values[:, order] * signs, _cuts(size, FEATURES), axis=1)
    return (sums / math.sqrt(size / FEATURES)).astype(np.float32)


def _centroids(vectors: Vectors) -> NDArray[np.float32]:
    """k-means++ and Lloyd's iterations. Equal vectors make one centroid."""
    draw = np.random.default_rng(_SEED)
    count = max(1, min(CENTROIDS, len(vectors) // ROWS_PER_CENTROID))
    points = vectors.astype(np.float64)
    chosen = [points[draw.integers(len(points))]]
    distances = np.sum((points - chosen[0]) ** 2, axis=1)
    while len(chosen) < count and (total := distances.sum()) > 0:
        chosen.append(points[np.searchsorted(np.cumsum(distances), draw.random() * total, side="right")])
        distances = np.minimum(distances, np.sum((points - chosen[-1]) ** 2, axis=1))
    centroids = np.array(chosen)
    for _ in range(_ITERATIONS):
        places = (np.sum(centroids * centroids, axis=1) - 2.0 * (points @ centroids.T)).argmin(axis=1)
        sizes = np.bincount(places, minlength=len(centroids))
        sums = np.array([np.bincount(places, weights=axis, minlength=len(centroids)) for axis in points.T]).T
        centroids = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centroids)
    return centroids.astype(np.float32)
