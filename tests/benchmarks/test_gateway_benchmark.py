"""The gateway benchmark runs, and what it promises holds with room for a busy machine."""

from __future__ import annotations

import statistics

import pytest

from tests.benchmarks.gateway import CANDIDATES, REQUESTS_A_ROUND, measure, table


@pytest.mark.slow
def test_the_gateway_costs_little_beside_a_bare_handler() -> None:
    measured = measure(rounds=3, colds=1)

    warm_us = {name: statistics.median(one.warm_us) for name, one in measured.items()}
    assert {len(one.warm_us) for one in measured.values()} == {3 * REQUESTS_A_ROUND}
    assert warm_us["gateway"] < 2 * warm_us["bare"]
    assert table(measured).count("\n") == len(CANDIDATES) + 1
