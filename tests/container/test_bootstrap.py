"""Bounds of a gain over the same rows: they hold as often as they say, and draw what belongs together as one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from container.bootstrap import Blocks, Bounds, bounds, draws_needed, fewest_draws

Floats = NDArray[np.float64]
DRAWS = 400
SIMULATIONS = 500


def bounds_of_mean(differences: Floats, generator: np.random.Generator, *, confidence: float = 0.95) -> Bounds:
    """Bounds of a mean of differences: of accuracy, say, where each is -1, 0 or 1."""
    rows = generator.integers(len(differences), size=(DRAWS, len(differences)))
    signs = generator.choice([-1.0, 1.0], size=(DRAWS, len(differences)))
    return bounds(
        float(differences.mean()),
        drawn=differences[rows].mean(axis=1),
        swapped=(signs * differences).mean(axis=1),
        confidence=confidence,
    )


def right_or_wrong(generator: np.random.Generator, rows: int, *, won: float, lost: float) -> Floats:
    return generator.choice([1.0, -1.0, 0.0], p=[won, lost, 1 - won - lost], size=rows)


DRAWN_DIFFERENCES: dict[str, Callable[[np.random.Generator], Floats]] = {
    "a few rows decide": lambda generator: right_or_wrong(generator, 300, won=0.01, lost=0.01),
    "many rows decide": lambda generator: right_or_wrong(generator, 300, won=0.1, lost=0.1),
    "a loss": lambda generator: generator.normal(0.0, 1.0, 300),
}


@pytest.mark.slow
@pytest.mark.parametrize("difference", DRAWN_DIFFERENCES.values(), ids=DRAWN_DIFFERENCES.keys())
def test_of_two_equal_models_one_in_twenty_at_most_looks_surely_better(
    difference: Callable[[np.random.Generator], Floats],
) -> None:
    generator = np.random.default_rng(1)

    lows = [bounds_of_mean(difference(generator), generator).low for _ in range(SIMULATIONS)]

    assert np.mean(np.array(lows) > 0) <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / SIMULATIONS)


@pytest.mark.slow
def test_the_true_gain_lies_between_the_bounds_as_often_as_they_say() -> None:
    generator = np.random.default_rng(2)

    found = [bounds_of_mean(right_or_wrong(generator, 300, won=0.12, lost=0.06), generator) for _ in range(SIMULATIONS)]

    margin = 2.5 * np.sqrt(0.05 * 0.95 / SIMULATIONS)
    assert np.mean([low > 0.06 for low, _ in found]) <= 0.05 + margin
    assert np.mean([high < 0.06 for _, high in found]) <= 0.05 + margin
    assert np.mean([low > 0.0 for low, _ in found]) > 0.7


def test_three_rows_that_all_speak_for_the_challenger_are_not_sure() -> None:
    """By chance alone, three rows fall on one side in one case of eight; five in one of thirty-two."""
    generator = np.random.default_rng(3)
    few, enough = np.zeros(300), np.zeros(300)
    few[:3], enough[:8] = 1.0, 1.0

    assert bounds_of_mean(few, generator).low == 0.0
    assert bounds_of_mean(enough, generator).low > 0.0


@settings(max_examples=40)
@given(
    st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.sampled_from([0.5, 0.8, 0.95]), st.integers(0, 2**32 - 1)
)
def test_the_gain_lies_between_its_bounds_and_they_mirror_each_other(
    differences: list[float], confidence: float, seed: int
) -> None:
    own = np.array(differences)

    low, high = bounds_of_mean(own, np.random.default_rng(seed), confidence=confidence)
    mirrored = bounds_of_mean(-own, np.random.default_rng(seed), confidence=confidence)

    assert low <= own.mean() + 1e-9
    assert high >= own.mean() - 1e-9
    assert mirrored == pytest.approx((-high, -low), abs=1e-9)


@given(st.integers(1, 50), st.floats(0.5, 0.999))
def test_equal_models_have_no_gain_at_all(rows: int, confidence: float) -> None:
    nothing = np.zeros(fewest_draws(confidence) // 2)

    assert bounds(0.0, drawn=nothing, swapped=nothing, confidence=confidence) == (0.0, 0.0)


def test_more_confidence_gives_wider_bounds() -> None:
    differences = np.random.default_rng(4).normal(0.1, 1.0, 200)

    found = [bounds_of_mean(differences, np.random.default_rng(5), confidence=each) for each in (0.8, 0.95, 0.99)]

    assert [low for low, _ in found] == sorted((low for low, _ in found), reverse=True)
    assert [high for _, high in found] == sorted(high for _, high in found)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99, 0.999])
def test_there_are_draws_beyond_each_bound(confidence: float) -> None:
    assert fewest_draws(confidence) <= draws_needed(confidence)
    assert (1 - confidence) * fewest_draws(confidence) / 2 >= 1 - 1e-6
    assert (1 - confidence) * draws_needed(confidence) >= 50 - 1e-6


@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=40), st.integers(0, 2**32 - 1))
def test_a_block_is_drawn_and_swapped_as_a_whole(keys: list[str], seed: int) -> None:
    generator = np.random.default_rng(seed)
    blocks = Blocks(keys)

    rows = blocks.drawn(generator).tolist()
    swaps = blocks.swapped(generator).tolist()

    for key in set(keys):
        members = [row for row, own in enumerate(keys) if own == key]
        assert len({rows.count(row) for row in members}) == 1
        assert len({swaps[row] for row in members}) == 1
    assert len(blocks) == len(set(keys))
    assert sum(rows.count(keys.index(key)) for key in set(keys)) == len(blocks)


def test_rows_of_one_block_are_one_observation() -> None:
    """Ten rows that say the same thing thirty times are no thirty times as sure."""
    values = np.random.default_rng(6).normal(0.0, 1.0, 10).repeat(30)
    generator = np.random.default_rng(7)
    alone, together = Blocks(range(300)), Blocks([row // 30 for row in range(300)])

    spread = [np.std([values[each.drawn(generator)].mean() for _ in range(DRAWS)]) for each in (alone, together)]

    assert spread[1] > 4 * spread[0]
