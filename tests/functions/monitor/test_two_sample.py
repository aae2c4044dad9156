"""The tests of feature vectors: the naive sums in bounded memory, power, and p-values that hold without a change."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from functions.monitor.two_sample import (
    BLOCK_ROWS,
    LEAST_VECTORS,
    area_under_curve,
    domain_classifier,
    mmd,
    two_sample_tests,
)

Floats = NDArray[np.float64]


def drawn(rows: int, features: int, *, seed: int, shift: float = 0.0) -> Floats:
    return np.random.default_rng(seed).normal(shift, 1.0, (rows, features))


def naive_mmd(before: Floats, after: Floats) -> float:
    """By its definition, pair by pair."""
    pooled = np.concatenate([before, after])
    first, second = (
        (before - pooled.mean(axis=0)) / pooled.std(axis=0),
        (after - pooled.mean(axis=0)) / pooled.std(axis=0),
    )
    every = np.concatenate([first, second])
    pairs = [np.linalg.norm(every[i] - every[j]) for i in range(len(every)) for j in range(i)]
    width = float(np.median(pairs))

    def kernel(one: Floats, other: Floats) -> float:
        return float(np.exp(-(np.linalg.norm(one - other) ** 2) / (2 * width**2)))

    def within(sample: Floats) -> float:
        count = len(sample)
        return (
            sum(kernel(sample[i], sample[j]) for i in range(count) for j in range(count) if i != j)
            / count
            / (count - 1)
        )

    across = sum(kernel(one, other) for one in first for other in second) / len(first) / len(second)
    return within(first) + within(second) - 2 * across


def test_mmd_in_blocks_is_the_pair_by_pair_sum() -> None:
    before, after = drawn(30, 3, seed=1), drawn(45, 3, seed=2, shift=0.5)

    found, _ = mmd(before, after, permutations=9)

    assert found == pytest.approx(naive_mmd(before, after), rel=1e-9)


def test_mmd_is_the_same_however_many_blocks_it_takes() -> None:
    before, after = drawn(90, 4, seed=3), drawn(60, 4, seed=4, shift=0.2)

    whole = mmd(before, after, permutations=19)
    parts = mmd(before, after, permutations=19, block_rows=7)

    assert parts == pytest.approx(whole)


def test_a_shifted_sample_is_told_by_both() -> None:
    results = two_sample_tests("image", baseline=drawn(400, 16, seed=5), window=drawn(300, 16, seed=6, shift=0.25))

    assert [result.test for result in results] == ["mmd", "domain_classifier"]
    assert all(result.p_value < 0.01 and result.statistic > result.chance for result in results)
    assert (results[0].baseline_rows, results[0].window_rows, results[0].field) == (400, 300, "image")


def test_another_spread_is_told_by_the_kernel_and_not_by_the_linear_classifier() -> None:
    before, after = drawn(400, 4, seed=7), 1.6 * drawn(400, 4, seed=8)

    assert mmd(before, after)[1] < 0.01
    assert domain_classifier(before, after)[1] > 0.01


def test_without_a_change_p_values_are_small_no_more_often_than_they_say() -> None:
    pairs = [(drawn(80, 8, seed=seed), drawn(60, 8, seed=1000 + seed)) for seed in range(200)]

    kernel = np.array([mmd(before, after, permutations=99)[1] for before, after in pairs])
    classifier = np.array([domain_classifier(before, after)[1] for before, after in pairs])

    # a binomial of 200 with chance 0.1 exceeds 33 once in a thousand times
    assert 8 <= (kernel <= 0.1).sum() <= 33
    assert (classifier <= 0.1).sum() <= 33
    assert 0.4 < kernel.mean() < 0.6
    assert 0.4 < classifier.mean() < 0.65


def test_the_same_samples_give_the_same_numbers() -> None:
    before, after = drawn(50, 4, seed=9), drawn(50, 4, seed=10)

    assert two_sample_tests("text", baseline=before, window=after) == two_sample_tests(
        "text", baseline=before, window=after
    )


def test_memory_is_bounded_by_the_block_and_not_by_pairs() -> None:
    before, after = drawn(4000, 4, seed=11), drawn(4000, 4, seed=12)
    every_pair = 8000 * 8000 * 8

    tracemalloc.start()
    mmd(before, after, permutations=19)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 16 * BLOCK_ROWS**2 * 8 < every_pair / 50


def test_the_area_under_the_curve_is_scikit_learns_with_ties() -> None:
    generator = np.random.default_rng(13)
    scores, positive = np.round(generator.normal(size=200), 1), generator.random(200) < 0.3

    assert area_under_curve(scores, positive) == pytest.approx(roc_auc_score(positive, scores))


def test_the_classifier_tells_as_much_as_scikit_learns() -> None:
    before, after = drawn(500, 8, seed=14), drawn(500, 8, seed=15, shift=0.3)
    fresh = np.concatenate([drawn(2000, 8, seed=16), drawn(2000, 8, seed=17, shift=0.3)])
    labels = np.repeat([0, 1], 500)

    found, _ = domain_classifier(before, after)

    theirs = LogisticRegression().fit(np.concatenate([before, after]), labels).decision_function(fresh)
    assert found == pytest.approx(roc_auc_score(np.repeat([0, 1], 2000), theirs), abs=0.03)


def test_too_few_vectors_say_nothing_and_broken_ones_are_left_out() -> None:
    enough, broken = drawn(40, 3, seed=18), drawn(LEAST_VECTORS, 3, seed=19)
    broken[0, 0] = np.nan

    assert two_sample_tests("image", baseline=enough, window=broken) == ()
    assert two_sample_tests("image", baseline=enough, window=np.empty((0, 3), dtype=np.float32)) == ()


def test_vectors_that_are_all_alike_are_no_change() -> None:
    alike = np.ones((50, 3), dtype=np.float32)

    results = two_sample_tests("image", baseline=alike, window=alike)

    assert [result.statistic for result in results] == pytest.approx([0.0, 0.5])
    assert all(result.p_value >= 0.5 for result in results)
