"""Where a numeric column's cells begin and end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packages.profile.edges import CELLS, FEW_VALUES, learn_edges


def counts(values: np.ndarray, edges: tuple[float, ...]) -> list[int]:
    found: list[int] = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1).tolist()
    return found


def test_many_different_values_make_ten_cells_of_equal_share() -> None:
    values = np.random.default_rng(0).normal(size=10_000)

    edges = learn_edges(values)

    assert len(edges) == CELLS - 1
    assert counts(values, edges) == [1000] * CELLS


def test_a_value_that_many_rows_have_has_a_cell_of_its_own() -> None:
    values = np.concatenate([np.zeros(5000), np.random.default_rng(0).exponential(size=5000)])

    edges = learn_edges(values, lowest=0.0)

    assert counts(values, edges)[0] == 5000
    assert counts(values, edges)[1:] == [1000] * 5


def test_few_integers_have_a_cell_each_and_empty_ones_beside_them() -> None:
    values = np.repeat([3.0, 4.0, 7.0], [10, 80, 10])

    edges = learn_edges(values, is_whole=True)

    assert edges == (2.5, 3.0, 4.0, 7.0)
    assert counts(values, edges) == [0, 10, 80, 10, 0]


def test_where_the_schema_ends_there_is_no_empty_cell() -> None:
    values = np.repeat([0.0, 1.0, 9.0], 10)

    edges = learn_edges(values, lowest=0, highest=9, is_whole=True)

    assert edges == (0.0, 1.0)


def test_a_column_of_one_value_sees_any_other() -> None:
    edges = learn_edges(np.full(50, 2.5))

    assert counts(np.array([2.4, 2.5, 2.6]), edges) == [1, 1, 1]


def test_a_column_without_values_has_one_cell() -> None:
    assert learn_edges(np.zeros(0)) == ()


@pytest.mark.parametrize("value", [0.1, 1.0, -3.0, 0.0])
def test_rounding_noise_of_computed_values_does_not_leave_their_cell(value: float) -> None:
    draw = np.random.default_rng(0)
    learnt, elsewhere = (value + draw.normal(scale=1e-9, size=500) for _ in range(2))

    edges = learn_edges(learnt, noise=1e-7)

    assert counts(learnt, edges) == counts(elsewhere, edges) == [0, 500, 0]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=200), st.booleans())
def test_edges_ascend_and_are_few(numbers: list[float], is_computed: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    edges = learn_edges(np.array(numbers), noise=0.0 if is_computed else None)

    assert list(edges) == sorted(set(edges))
    assert len(edges) <= CELLS + 2 * max(FEW_VALUES, 20) + 1
