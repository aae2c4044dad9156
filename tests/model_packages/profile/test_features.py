"""Tensors and images as numbers: features keep what matters, and what is learnt from them is the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from model_packages.profile.features import (
    CENTROIDS,
    FEATURES,
    FeatureMap,
    feature_vectors,
    learn_feature_map,
    measure,
)
from model_packages.profile.packing import packed, unpacked
from model_packages.profile.tensors import TensorForm, groups


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_the_measures_are_of_each_row() -> None:
    found = measure(np.array([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]], dtype=np.float32))

    assert found.T.tolist() == [[2.0, pytest.approx(np.sqrt(2 / 3)), 1.0, 3.0], [5.0, 0.0, 5.0, 5.0]]


def test_few_values_are_their_own_features() -> None:
    values = draw(7, 10)

    assert feature_vectors(values, (10,), is_image=False) is values


@pytest.mark.parametrize("shape", [(28, 28), (9, 30), (224, 224, 3), (100, 3, 4), (5, 20), (10, 10, 70)])
def test_an_image_becomes_a_coarse_grid(shape: tuple[int, ...]) -> None:
    values = np.ones((3, int(np.prod(shape))), dtype=np.float32)

    found = feature_vectors(values, shape, is_image=True)

    assert found.shape[0] == 3
    assert found.shape[1] <= FEATURES


def test_the_grid_holds_the_means_of_its_parts() -> None:
    picture = np.zeros((16, 16), dtype=np.float32)
    picture[:2, 2:4] = 1.0

    found = feature_vectors(picture.reshape(1, -1), (16, 16), is_image=True).reshape(8, 8)

    assert found[0, 1] == 1.0
    assert found.sum() == 1.0


def test_a_long_vectors_features_keep_distances_on_average() -> None:
    values = draw(200, 768)

    found = feature_vectors(values, (768,), is_image=False)

    ratio = np.linalg.norm(found[:100] - found[100:], axis=1) / np.linalg.norm(values[:100] - values[100:], axis=1)
    assert found.shape == (200, FEATURES)
    assert float(ratio.std()) < 0.15
    assert float(ratio.mean()) * np.sqrt(768 / FEATURES) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("shape", "is_image"), [((28, 28), True), ((30, 20, 3), True), ((768,), False), ((10,), False)]
)
def test_a_row_is_the_same_whatever_is_read_with_it(shape: tuple[int, ...], is_image: bool) -> None:  # noqa: FBT001
    values = draw(50, int(np.prod(shape)))
    together = feature_vectors(values, shape, is_image=is_image)
    known = learn_feature_map(together)

    alone = [feature_vectors(values[row : row + 1], shape, is_image=is_image) for row in range(50)]

    assert np.array_equal(np.concatenate(alone), together)
    assert np.array_equal(
        np.concatenate([known.projections(row) for row in alone], axis=1), known.projections(together)
    )
    assert np.array_equal(
        np.concatenate([measure(values[row : row + 1]) for row in range(50)], axis=1), measure(values)
    )


def test_groups_of_points_have_a_centroid_each() -> None:
    places = draw(5, 8) * 100
    vectors = np.repeat(places, 100, axis=0) + draw(500, 8, seed=1)

    known = learn_feature_map(vectors)

    assert len(known.centroids) == CENTROIDS
    groups_of = known.nearest(vectors).reshape(5, 100)
    assert sum(len(set(group.tolist())) for group in groups_of) == len({*groups_of.ravel().tolist()})


def test_projections_lie_along_what_varies_most() -> None:
    vectors = draw(1000, 6) * np.array([0.1, 9.0, 0.1, 4.0, 0.0, 0.0], dtype=np.float32)

    known = learn_feature_map(vectors)

    assert len(known.directions) == 4
    assert np.abs(known.directions[0]).argmax() == 1
    assert np.abs(known.directions[1]).argmax() == 3
    assert known.projections(vectors).mean(axis=1) == pytest.approx(np.zeros(4), abs=1e-3)


def test_directions_in_which_nothing_varies_are_left_out() -> None:
    known = learn_feature_map(draw(100, 1) * np.ones((1, 3), dtype=np.float32))

    assert len(known.directions) == 1


@pytest.mark.parametrize("vectors", [np.zeros((0, 3), dtype=np.float32), np.ones((50, 3), dtype=np.float32)])
def test_vectors_that_are_none_or_all_alike_have_one_centroid(vectors: np.ndarray) -> None:
    known = learn_feature_map(vectors)

    assert known.centroids.shape == (1, 3)
    assert known.directions.shape == (0, 3)


def test_a_map_is_the_same_each_time_and_after_a_round_trip() -> None:
    known = learn_feature_map(draw(300, 5))

    assert known.as_json() == learn_feature_map(draw(300, 5)).as_json()
    assert FeatureMap.from_json(known.as_json()).as_json() == known.as_json()


@pytest.mark.parametrize(
    "array",
    [
        np.array([1, 2, 3]),
        np.zeros((4, 3), dtype=np.uint8),
        np.array([[0, 0], [1, 2], [0, 0]], dtype=np.uint8),
        np.array([[np.inf, -np.inf]]),
        np.zeros((0, 3), dtype=np.float32),
        np.array([2**63 + 1], dtype=np.uint64),
    ],
)
def test_arrays_survive_json(array: np.ndarray) -> None:
    found = unpacked(packed(array))

    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert np.array_equal(found, array)


def test_large_tensors_are_taken_in_groups_that_fit_in_memory() -> None:
    form = TensorForm(shape=(1024, 1024), is_image=True, low=0.0, high=1.0)

    sizes = [rows.stop - rows.start for rows, _ in groups([None] * 5, form)]

    assert sizes == [2, 2, 1]
