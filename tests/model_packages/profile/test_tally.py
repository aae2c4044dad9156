"""Tallies add up, in any order and grouping, and survive being written down."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_packages.profile.baseline import Baseline
from model_packages.profile.fold import fold
from model_packages.profile.hashing import REGISTERS, count_distinct, estimate_distinct, mixed
from model_packages.profile.tally import SAMPLE_ROWS, Sample, Tally
from tests.model_packages.profile.samples import captured, flowers

ROWS = captured(240, seed=9)
BLOCKS = [place // 13 % 8 for place in range(240)]
CUTS = st.lists(st.integers(0, 240), max_size=5).map(lambda cuts: sorted({0, *cuts, 240}))


def parts(cuts: list[int]) -> list[Tally]:
    return [
        fold(flowers(), ROWS[start:end], block_keys=BLOCKS[start:end], row_keys=range(start, end))
        for start, end in pairwise(cuts)
    ]


def assert_same(first: Tally, second: Tally) -> None:
    """Counts to the row, sums to their last digits."""
    left, right = first.arrays(), second.arrays()
    assert left.keys() == right.keys()
    for name, array in left.items():
        if name == "sums":
            assert np.allclose(array, right[name], rtol=1e-9, atol=1e-9)
        else:
            assert np.array_equal(array, right[name]), name


@settings(max_examples=20, deadline=None)
@given(CUTS, st.randoms(use_true_random=False))
def test_any_split_in_any_order_gives_the_whole(cuts: list[int], draw: object) -> None:
    pieces = parts(cuts)
    draw.shuffle(pieces)  # type: ignore[attr-defined]

    assert_same(reduce(add, pieces), parts([0, 240])[0])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 120), st.integers(120, 240))
def test_addition_is_associative_and_commutative(first: int, second: int) -> None:
    a, b, c = parts(sorted([0, first, second, 240])) if 0 < first < second < 240 else parts([0, 60, 120, 240])

    assert_same((a + b) + c, a + (b + c))
    assert_same(a + b, b + a)


def test_nothing_added_changes_nothing() -> None:
    [tally] = parts([0, 240])

    assert_same(tally + Tally.empty(flowers()), tally)


def test_a_tally_is_the_same_after_a_round_trip_and_its_bytes_are_too() -> None:
    [tally] = parts([0, 240])

    content = tally.to_bytes()

    assert content == parts([0, 240])[0].to_bytes()
    assert_same(Tally.from_bytes(content), tally)
    assert Tally.from_bytes(content).baseline == flowers().identity


@pytest.mark.parametrize("kept", [0, 10, 500])
def test_bytes_that_are_no_tally_are_refused(kept: int) -> None:
    content = parts([0, 240])[0].to_bytes()

    with pytest.raises(ValueError, match=f"found {kept} bytes that are no tally"):
        Tally.from_bytes(content[:kept])


def test_tallies_on_different_baselines_do_not_add_up() -> None:
    other = Baseline.uncounted(package="roses", schema_hash="abc", fields=flowers().fields)

    with pytest.raises(ValueError, match="allowed: one baseline"):
        Tally.empty(flowers()) + Tally.empty(other)


def test_a_tally_does_not_grow_with_the_rows() -> None:
    once = fold(flowers(), ROWS, block_keys=BLOCKS)

    many = reduce(add, [once] * 20)

    sizes = [sum(array.nbytes for array in tally.arrays().values()) for tally in (once, many)]
    assert sizes[1] <= sizes[0] + 2 * SAMPLE_ROWS * (24 + 3 + 2) * 4


@pytest.mark.parametrize("count", [0, 1, 100, 5_000, 1_000_000])
def test_distinct_values_are_estimated(count: int) -> None:
    registers = np.zeros(REGISTERS, dtype=np.uint8)

    count_distinct(registers, mixed(np.arange(count, dtype=np.uint64)))
    count_distinct(registers, mixed(np.arange(count // 2, dtype=np.uint64)))

    assert estimate_distinct(registers) == pytest.approx(count, rel=0.06)


def test_a_sample_is_a_fair_draw_of_what_it_saw() -> None:
    keys = mixed(np.arange(10_000, dtype=np.uint64))
    vectors = np.arange(10_000, dtype=np.float32)[:, None]

    sample = Sample.of(keys, vectors)

    assert len(sample.keys) == SAMPLE_ROWS
    assert float(sample.vectors.mean()) == pytest.approx(5000, abs=3 * 10_000 / np.sqrt(12 * SAMPLE_ROWS))
