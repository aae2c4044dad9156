"""Which rates a column has, how they are counted, and what they are called."""

from __future__ import annotations

import numpy as np
import pytest

from functions.monitor.rates import Rates, events
from model_packages.profile.columns import Column

AMOUNT = Column("amount", "amount", "request", "numeric", edges=(1.0, 2.0, 5.0))
CHANNEL = Column("channel", "channel", "request", "category", categories=("shop", "web"))
RATES = Rates((AMOUNT, CHANNEL), (slice(0, 4), slice(4, 7)))
CELLS = np.array([10, 20, 30, 30, 60, 25, 5])
"""Of 100 rows, ten without an amount and ten without a channel."""


def said(negated: bool) -> set[tuple[str, float]]:  # noqa: FBT001
    hits = RATES.hits(CELLS, np.asarray(100))
    named = [RATES.words(rate) for rate in range(len(hits))]
    return {(words, float(hit)) for (words, is_negated), hit in zip(named, hits, strict=True) if is_negated is negated}


def test_every_rate_counts_what_it_is_called() -> None:
    assert said(negated=False) == {
        ("up to 1", 10), ("1 to 2", 20), ("2 to 5", 30), ("above 5", 30), ("without a value", 10),
        ("up to 2", 30), ("up to 5", 60), ("above 2", 60), ("above 1", 80), ("1 to 5", 50), ("up to 1 or above 5", 40),
        ("shop", 60), ("web", 25), (CHANNEL.labels[-1], 5),
    }  # fmt: skip


def test_a_negated_rate_counts_all_other_rows() -> None:
    assert ("web", 75) in said(negated=True)
    assert ("without a value", 90) in said(negated=True)
    assert ("above 5", 70) in said(negated=True)


def test_no_rate_is_counted_twice_and_none_counts_all_or_nothing() -> None:
    found = events(AMOUNT)

    assert len(set(found)) == len(found)
    assert all(0 < len(event) < 5 for event in found)


def test_no_rate_differs_by_more_than_the_rows_that_have_to_move() -> None:
    draw = np.random.default_rng(0)

    for _ in range(100):
        one, other = draw.multinomial(1000, draw.dirichlet(np.ones(5)), size=2)
        moved = np.abs(one - other).sum() / 2
        rates = Rates((AMOUNT,), (slice(0, 4),))
        gaps = rates.hits(one[:4], np.asarray(1000)) - rates.hits(other[:4], np.asarray(1000))
        assert np.abs(gaps).max() <= moved


def test_tails_are_the_numbers_beyond_an_edge_and_all_of_them() -> None:
    tails = {RATES.words(int(rate)) for rate in np.flatnonzero(RATES.is_tail)}

    beyond = ("up to 1", "up to 2", "up to 5", "above 1", "above 2", "above 5")
    assert tails == {*((words, False) for words in beyond), ("without a value", True)}


def test_blocks_are_counted_like_rows() -> None:
    blocks = np.stack([CELLS, 2 * CELLS])

    hits = RATES.hits(blocks, np.array([100, 200]))

    assert hits[0] == pytest.approx(RATES.hits(CELLS, np.asarray(100)))
    assert hits[1] == pytest.approx(2 * hits[0])


def test_a_number_whose_values_are_all_in_one_cell_can_only_be_missing() -> None:
    column = Column("amount", "amount", "request", "numeric")

    assert [set(event) for event in events(column)] == [{0}, {1}]


def test_no_column_has_no_rate() -> None:
    assert Rates((), ()).hits(CELLS, np.asarray(100)).shape == (0,)
    assert Rates((), ()).starts == ()
