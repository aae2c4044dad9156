"""The gateway benchmark runs. Its figures are for people: a test on a busy machine could judge none of them."""

from __future__ import annotations

import pytest

from tests.benchmarks.gateway import CANDIDATES, REQUESTS_A_ROUND, measure, table


@pytest.mark.slow
def test_every_handler_is_measured_as_often_as_the_others() -> None:
    measured = measure(rounds=3, colds=1)

    assert {len(one.warm_us) for one in measured.values()} == {3 * REQUESTS_A_ROUND}
    assert all(min(one.warm_us) > 0 for one in measured.values())
    assert table(measured).count("\n") == len(CANDIDATES) + 1
