"""What the guarantee rests on, exactly: no bet has an expected value above 1 while its limit holds."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.monitor.betting import (
    FRACTIONS,
    HEADROOM,
    Evidence,
    block_bets,
    pack,
    row_bets,
    tail_margin,
    unpack,
    upper_bounds,
)

rates = st.floats(0.001, 0.999)


@given(limit=rates, rate=rates, rows=st.integers(1, 40))
def test_a_bet_on_rows_is_expected_to_gain_nothing_while_the_limit_holds(limit: float, rate: float, rows: int) -> None:
    hits = np.arange(rows + 1)
    chances = np.array([math.comb(rows, hit) * rate**hit * (1.0 - rate) ** (rows - hit) for hit in hits])

    bets = np.exp(row_bets(hits.astype(float), rows, np.full(rows + 1, limit)))

    expected = chances @ bets
    if rate <= limit:
        assert (expected <= 1.0 + 1e-9).all()
    else:
        assert (expected > 1.0 - 1e-9).all()


@given(limit=rates, chance=rates, weights=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=5))
def test_a_bet_on_blocks_gains_nothing_however_alike_the_rows_of_a_block_are(
    limit: float, chance: float, weights: list[float]
) -> None:
    high = min(1.0, limit / chance)  # a block's mean is 0 or this: its expectation is at most the limit
    expected = np.zeros(len(FRACTIONS))

    for outcome in itertools.product((False, True), repeat=len(weights)):
        means = np.where(outcome, high, 0.0)[:, None]
        bet = np.exp(block_bets(means, np.array(weights), np.array([limit])))[0]
        expected += math.prod(chance if hit else 1.0 - chance for hit in outcome) * bet

    assert (expected <= 1.0 + 1e-9).all()


@given(
    limit=st.floats(0.1, 0.9),  # no mean, moved down by at most 0.05 below, is negative: it is a rate
    differences=st.lists(st.floats(-0.05, 0.05), min_size=2, max_size=20),
    data=st.data(),
)
def test_callers_may_differ_for_good_as_long_as_the_limit_holds_for_all_rows_together(
    limit: float, differences: list[float], data: st.DataObject
) -> None:
    rows = np.array(data.draw(st.lists(st.integers(1, 500), min_size=len(differences), max_size=len(differences))))
    means = limit + np.array(differences)
    means += min(0.0, limit - (rows @ means) / rows.sum())  # the rows' mean is at most the limit

    expected = np.exp(block_bets(means[:, None], rows / rows.max(), np.array([limit])))  # linear in each block's mean

    assert (expected <= 1.0 + 1e-9).all()


def test_blocks_of_one_row_each_are_rows() -> None:
    hits = np.array([1.0] * 30 + [0.0] * 170)

    by_blocks = block_bets(hits[:, None], np.ones(200), np.array([0.1]))

    assert by_blocks == pytest.approx(row_bets(np.array([30.0]), 200, np.array([0.1])))


def test_thousands_of_blocks_neither_overflow_nor_underflow() -> None:
    for means in (np.ones((4096, 1)), np.zeros((4096, 1))):
        assert np.isfinite(block_bets(means, np.ones(4096), np.array([0.02]))).all()


@pytest.mark.parametrize("rows", [1, 10_000_000])
def test_bets_are_finite_whatever_the_size_of_a_window(rows: int) -> None:
    hits = np.array([0.0, rows / 2, rows])

    assert np.isfinite(row_bets(hits, rows, np.array([0.02, 0.5, 1.0]))).all()


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.97])
def test_the_upper_bound_is_missed_no_more_often_than_its_error_says(rate: float) -> None:
    rows, error = 500, 0.05
    chances = [
        math.exp(
            math.lgamma(rows + 1) - math.lgamma(hit + 1) - math.lgamma(rows - hit + 1)
            + hit * math.log(rate) + (rows - hit) * math.log1p(-rate)
        )
        for hit in range(rows + 1)
    ]  # fmt: skip

    bounds = upper_bounds(np.arange(rows + 1) / rows, rows, error=error)

    assert sum(chance for chance, bound in zip(chances, bounds, strict=True) if bound < rate) <= error
    assert (bounds <= np.arange(rows + 1) / rows + math.sqrt(-math.log(error) / (2 * rows)) + 1e-6).all()


def test_nothing_is_known_without_rows() -> None:
    assert upper_bounds(np.array([0.0]), 0, error=0.01).tolist() == [1.0]
    assert tail_margin(0, error=0.01) == 1.0


def test_all_tails_lie_below_their_margin_as_often_as_stated() -> None:
    draw, rows, error = np.random.default_rng(0), 300, 0.1
    margin = tail_margin(rows, error=error)

    samples = np.sort(draw.random((2000, rows)), axis=1)
    too_low = (samples - np.arange(rows) / rows).max(axis=1) > margin  # the true share up to a value less that seen

    assert too_low.mean() <= error + 3.0 * math.sqrt(error / 2000)


def test_the_evidence_is_the_mean_of_detectors_less_what_rounding_loses() -> None:
    draw = np.random.default_rng(1)
    weights, evidence = (
        np.array([0.5, 0.25, 0.25]),
        Evidence(np.array([0.5, 0.25, 0.25]), [0, 1], windows_per_false_alarm=10**6),
    )
    exact = np.zeros((3, len(FRACTIONS)))

    for _ in range(50):
        bets = draw.normal(-0.02, 0.3, exact.shape)
        exact = (exact + 1.0) * np.exp(bets)
        evidence.add(bets)
        total = math.log((weights @ exact).sum() / len(FRACTIONS))
        assert total - 0.06 <= evidence.total <= total + 1e-9


def test_the_parts_of_the_evidence_add_up() -> None:
    evidence = Evidence(np.full(4, 0.25), [0, 3], windows_per_false_alarm=1000)

    evidence.add(np.random.default_rng(2).normal(0.0, 1.0, (4, len(FRACTIONS))))

    assert np.logaddexp.reduce(evidence.groups) == pytest.approx(evidence.total)
    assert np.logaddexp.reduce(evidence.rates[:3]) == pytest.approx(evidence.groups[0])


def test_evidence_goes_no_higher_than_its_headroom_and_keeps_what_other_groups_have() -> None:
    evidence = Evidence(np.full(2, 0.5), [0, 1], windows_per_false_alarm=1000)

    evidence.add(np.array([[500.0] * len(FRACTIONS), [12.0] * len(FRACTIONS)]))

    assert evidence.total == pytest.approx(math.log(1000 * HEADROOM))
    assert evidence.groups[1] == pytest.approx(math.log(1000 * HEADROOM), abs=0.01)


def test_several_windows_at_once_count_as_so_many() -> None:
    evidence = Evidence(np.ones(1), [0], windows_per_false_alarm=1000)

    evidence.add(np.zeros((1, len(FRACTIONS))), windows=24)

    assert evidence.total == pytest.approx(math.log(24), abs=0.01)


def test_what_is_packed_comes_back_and_what_is_of_another_kind_does_not() -> None:
    array = np.arange(6, dtype=np.uint16).reshape(2, 3)

    assert unpack(pack(array), like=np.zeros((2, 3), np.uint16)) == pytest.approx(array)
    assert unpack(pack(array), like=np.zeros((2, 4), np.uint16)) is None
    assert unpack("no base64", like=array) is None


@pytest.mark.parametrize("seed", [0, 1])
def test_no_false_alarm_comes_sooner_than_stated_even_on_the_very_limit(seed: int) -> None:
    draw, limits, often, longest = np.random.default_rng(seed), np.array([0.1, 0.3, 0.5]), 20, 150
    lengths = []

    for _ in range(60):
        evidence, length = Evidence(np.full(3, 1 / 3), [0, 1, 2], windows_per_false_alarm=often), 0
        while length < longest and evidence.total < math.log(often):
            rows, length = int(draw.choice([1, 10, 300])), length + 1
            evidence.add(row_bets(draw.binomial(rows, limits).astype(float), rows, limits))
        lengths.append(length)

    assert np.mean(lengths) >= often
