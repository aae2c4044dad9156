"""Distances on cells are scipy's where scipy has them, and their noise is what windows without a change show."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon
from scipy.special import kolmogorov

from functions.monitor.distances import (
    Distances,
    chi_square,
    chi_square_tail,
    compare,
    kolmogorov_tail,
)

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Column:
    kind: str
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()


NUMBER = Column("numeric", edges=(0.0, 1.0, 3.0))
CATEGORY = Column("category", categories=("a", "b", "c"))
COUNTS = st.lists(st.integers(0, 10_000), min_size=4, max_size=4).filter(any)


def one(column: Column, baseline: list[int], window: list[int]) -> Distances:
    [found] = compare([column], baseline=np.array(baseline), window=np.array(window))
    assert found is not None
    return found


def test_hand_computed_numbers() -> None:
    # CDFs at the edges: 0.1, 0.5, 0.8 and 0.1, 0.2, 0.4; their gaps 0, -0.3, -0.4
    found = one(NUMBER, [10, 40, 30, 20], [10, 10, 20, 60])

    assert found.ks == pytest.approx(0.4)
    assert found.total_variation == pytest.approx(0.4)
    # over widths 1 and 2: (0 + 0.3) / 2 + 2 (0.3 + 0.4) / 2; clamped at 0 and 3
    mean = 0.4 * 0.5 + 0.3 * 2 + 0.2 * 3
    square = 0.4 * (0.25 + 1 / 12) + 0.3 * (4 + 4 / 12) + 0.2 * 9
    assert found.wasserstein == pytest.approx((0.15 + 0.7) / math.sqrt(square - mean**2))


def test_hand_computed_psi_counts_half_a_row_in_each_cell() -> None:
    found = one(Column("category", categories=("a",)), [30, 10], [10, 0])

    before, after = np.array([30.5, 10.5]) / 41, np.array([10.5, 0.5]) / 11
    assert found.psi == pytest.approx(float(((after - before) * np.log(after / before)).sum()))


def test_jensen_shannon_is_scipys_with_base_2() -> None:
    baseline, window = [100, 0, 50, 10], [20, 5, 0, 40]

    found = one(CATEGORY, baseline, window)

    assert found.js_distance == pytest.approx(jensenshannon(baseline, window, base=2))
    assert found.js_divergence == pytest.approx(found.js_distance**2)


@pytest.mark.parametrize("window", [[210, 90, 150, 50], [55, 20, 31, 12], [4000, 2100, 2900, 900]])
def test_chi_square_is_scipys_two_sample_test_where_no_cell_is_rare(window: list[int]) -> None:
    baseline = [400, 200, 300, 100]

    found = one(CATEGORY, baseline, window)

    expected = stats.chi2_contingency(np.array([baseline, window]), correction=False)
    assert found.chi_square == pytest.approx(expected.statistic)
    assert found.chi_square_freedom == expected.dof
    assert found.chi_square_p_value == pytest.approx(expected.pvalue)


def test_one_row_of_a_new_category_is_weak_evidence_and_five_are_strong() -> None:
    baseline = [5000, 3000, 2000, 0]

    one_row, five_rows = one(CATEGORY, baseline, [100, 60, 39, 1]), one(CATEGORY, baseline, [98, 58, 39, 5])

    assert one_row.chi_square_p_value is not None
    assert one_row.chi_square_p_value > 0.005
    assert five_rows.chi_square_p_value is not None
    assert five_rows.chi_square_p_value < 1e-20


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 30, 101])
def test_the_tail_of_chi_square_is_scipys(freedom: int) -> None:
    for statistic in (0.0, 0.01, 1.0, 5.0, 40.0, 300.0):
        assert chi_square_tail(statistic, freedom) == pytest.approx(stats.chi2.sf(statistic, freedom), rel=1e-9)


def test_the_tail_of_kolmogorovs_limit_is_scipys() -> None:
    for reached in (0.05, 0.19, 0.3, 0.7, 1.17, 1.19, 1.5, 2.5, 5.0):
        assert kolmogorov_tail(reached) == pytest.approx(kolmogorov(reached), abs=1e-9)


def test_ks_on_bins_is_a_lower_bound_of_the_exact_one_and_equal_where_each_value_has_a_cell() -> None:
    generator = np.random.default_rng(1)
    baseline, window = generator.normal(0, 1, 2000), generator.normal(0.3, 1, 500)
    exact = stats.ks_2samp(baseline, window, method="asymp")

    coarse = binned(baseline, window, edges=np.linspace(-2, 2, 9))
    fine = binned(baseline, window, edges=np.sort(np.concatenate([baseline, window])))

    assert coarse.ks is not None
    assert fine.ks == pytest.approx(exact.statistic)
    assert exact.statistic - 0.05 < coarse.ks <= exact.statistic
    assert fine.ks_p_value is not None
    assert math.log(fine.ks_p_value) == pytest.approx(math.log(exact.pvalue), rel=0.02)


def test_wasserstein_approaches_scipys_on_fine_bins() -> None:
    generator = np.random.default_rng(2)
    baseline, window = generator.normal(0, 2, 5000), generator.normal(0.5, 2.5, 3000)

    found = binned(baseline, window, edges=np.linspace(-12, 12, 400))

    exact = stats.wasserstein_distance(baseline, window) / baseline.std()
    assert found.wasserstein == pytest.approx(exact, rel=0.01)


def test_wasserstein_is_exact_where_the_distributions_cross_within_a_cell() -> None:
    # evenly spread in the cells, against a fine sample of the same two histograms
    column = Column("numeric", edges=(0.0, 1.0, 2.0, 3.0))

    found = one(column, [0, 2, 0, 2, 0], [0, 1, 3, 0, 0])

    points = (np.arange(3000) + 0.5) / 1000
    baseline, window = np.repeat([0.5, 0.0, 0.5], 1000), np.repeat([0.25, 0.75, 0.0], 1000)
    spread = math.sqrt(np.average((points - np.average(points, weights=baseline)) ** 2, weights=baseline))
    exact = stats.wasserstein_distance(points, points, baseline, window) / spread
    assert found.wasserstein == pytest.approx(exact, rel=1e-4)


@given(COUNTS, COUNTS)
def test_distances_are_bounded_and_symmetric_where_they_should_be(baseline: list[int], window: list[int]) -> None:
    for column in (NUMBER, CATEGORY):
        there, back = one(column, baseline, window), one(column, window, baseline)

        assert 0 <= (there.ks or 0) <= there.total_variation + 1e-12 <= 1 + 1e-12
        assert 0 <= there.js_divergence <= 1
        assert there.psi >= -1e-12
        for name in ("js_distance", "total_variation", "psi_noise", "js_noise", "total_variation_noise"):
            assert getattr(there, name) == pytest.approx(getattr(back, name), abs=1e-9)
        # Pinsker's inequality, in base 2
        assert there.total_variation**2 * 2 / math.log(2) / 4 <= there.js_divergence + 1e-9
    p_values = [one(NUMBER, baseline, window).ks_p_value, one(CATEGORY, baseline, window).chi_square_p_value]
    assert all(value is not None and 0 <= value <= 1 for value in p_values)


@given(COUNTS, st.integers(1, 50))
def test_the_same_shares_are_no_distance(baseline: list[int], times: int) -> None:
    for column in (NUMBER, CATEGORY):
        found = one(column, baseline, [times * count for count in baseline])

        assert found.total_variation == pytest.approx(0, abs=1e-12)
        assert found.js_distance == pytest.approx(0, abs=1e-7)
        assert found.wasserstein == pytest.approx(0, abs=1e-12) or column is CATEGORY
        assert found.chi_square == pytest.approx(0, abs=1e-6) or column is NUMBER


@given(st.lists(st.tuples(st.sampled_from([NUMBER, CATEGORY]), COUNTS | st.just([0] * 4), COUNTS | st.just([0] * 4))))
@settings(max_examples=50)
def test_a_column_has_the_same_distances_beside_others_as_alone(
    cases: list[tuple[Column, list[int], list[int]]],
) -> None:
    columns = [column for column, _, _ in cases]
    baseline = np.array([count for _, counts, _ in cases for count in counts], dtype=np.int64)
    window = np.array([count for _, _, counts in cases for count in counts], dtype=np.int64)

    together = compare(columns, baseline=baseline, window=window)

    for (column, before, after), found in zip(cases, together, strict=True):
        if not any(before) or not any(after):
            assert found is None
            continue
        assert found is not None
        alone = one(column, before, after)
        for name in Distances.__slots__:
            assert getattr(found, name) == pytest.approx(getattr(alone, name), abs=1e-9), name


@pytest.mark.parametrize("rows", [200, 1000])
@pytest.mark.parametrize("kind", ["numeric", "category"])
def test_the_noise_is_the_mean_distance_of_windows_in_which_nothing_changed(rows: int, kind: str) -> None:
    generator, shares = np.random.default_rng(3), np.full(20, 0.05)
    edges, names = tuple(range(19)), tuple(f"c{n}" for n in range(19))
    column = Column(kind, edges=tuple(map(float, edges))) if kind == "numeric" else Column(kind, categories=names)
    found = [
        one(column, list(generator.multinomial(5000, shares)), list(generator.multinomial(rows, shares)))
        for _ in range(300)
    ]

    for name in ("psi", "js", "total_variation", *(["ks", "wasserstein"] if kind == "numeric" else [])):
        measured = np.mean([getattr(each, "js_distance" if name == "js" else name) for each in found])
        said = np.mean([getattr(each, f"{name}_noise") for each in found])
        assert measured == pytest.approx(said, rel=0.12), name


def test_p_values_without_a_change_are_small_no_more_often_than_they_say() -> None:
    generator, columns = np.random.default_rng(4), [Column("category", categories=tuple("abcdefg"))]
    shares = np.array([0.4, 0.3, 0.2, 0.05, 0.04, 0.009, 0.0009, 0.0001])

    found = [
        compare(columns, baseline=generator.multinomial(10_000, shares), window=generator.multinomial(300, shares))[0]
        for _ in range(2000)
    ]

    small = np.mean([each.chi_square_p_value < 0.05 for each in found if each and each.chi_square_p_value is not None])
    assert 0.02 < small < 0.06


def test_a_column_without_values_is_not_compared() -> None:
    assert compare([CATEGORY], baseline=np.array([1, 2, 3, 0]), window=np.zeros(4, dtype=np.int64)) == [None]
    assert compare([], baseline=np.empty(0, dtype=np.int64), window=np.empty(0, dtype=np.int64)) == []


def test_a_column_that_never_varied_moves_over_no_width() -> None:
    found = one(Column("numeric", edges=(5.0,)), [100, 0], [60, 40])

    assert (found.total_variation, found.wasserstein) == (0.4, 0.0)


def test_counts_of_other_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="the window has counts of shape"):
        compare([NUMBER], baseline=np.zeros(4, dtype=np.int64), window=np.zeros(3, dtype=np.int64))


def test_chi_square_of_one_used_cell_has_no_freedom() -> None:
    statistic, freedom = chi_square(np.array([10, 0]), np.array([3, 0]))

    assert (statistic, freedom, chi_square_tail(statistic, freedom)) == (0.0, 0, 1.0)


def test_thirty_columns_take_milliseconds() -> None:
    columns = [NUMBER if number % 3 else CATEGORY for number in range(30)]
    counts = np.random.default_rng(5).integers(1, 1000, 120)
    compare(columns, baseline=counts, window=counts)

    begin = time.process_time()
    for _ in range(10):
        compare(columns, baseline=counts, window=counts[::-1].copy())

    assert (time.process_time() - begin) / 10 < 0.02


def binned(baseline: NDArray[np.float64], window: NDArray[np.float64], *, edges: NDArray[np.float64]) -> Distances:
    """Of values in cells (a, b]."""
    cells = len(edges) + 1
    counts = [
        np.bincount(np.searchsorted(edges, values, side="left"), minlength=cells) for values in (baseline, window)
    ]
    return one(Column("numeric", edges=tuple(edges.tolist())), counts[0].tolist(), counts[1].tolist())
