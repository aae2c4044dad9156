"""Token buckets and quotas, by a clock that stands still."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.services.apigateway.api import Quota, Throttle
from local.services.apigateway.throttling import Quotas, Throttles, TokenBucket, period_start

START = datetime(2026, 1, 1, tzinfo=UTC)


@given(
    rate=st.floats(min_value=0.5, max_value=100),
    burst=st.integers(min_value=1, max_value=20),
    pauses=st.lists(st.floats(min_value=0, max_value=3), max_size=60),
)
def test_a_bucket_never_lets_more_through_than_burst_and_rate_allow(
    rate: float, burst: int, pauses: list[float]
) -> None:
    bucket, now, passed = TokenBucket(Throttle(rate, burst), START), START, 0

    for pause in pauses:
        now += timedelta(seconds=pause)
        passed += bucket.take(now)

    assert passed <= burst + rate * (now - START).total_seconds() + 1e-6


def test_a_full_bucket_lets_a_burst_through_and_then_the_rate() -> None:
    bucket = TokenBucket(Throttle(rate_per_second=2, burst=3), START)

    at_once = [bucket.take(START) for _ in range(4)]
    later = [bucket.take(START + timedelta(milliseconds=ms)) for ms in (400, 500, 900, 1000)]

    assert at_once == [True, True, True, False]
    assert later == [False, True, False, True]


def test_new_measures_start_a_new_bucket() -> None:
    throttles = Throttles()
    throttles.admit("stage", Throttle(1, 1), START)

    before = throttles.admit("stage", Throttle(1, 1), START)
    after = throttles.admit("stage", Throttle(1, 2), START)

    assert (before, after) == (False, True)


def test_a_quota_counts_in_its_period_and_for_each_key() -> None:
    quotas, quota = Quotas(), Quota(limit=2, period="DAY")

    first = [quotas.admit("key", quota, START) for _ in range(3)]
    other_key = quotas.admit("other", quota, START)
    next_day = quotas.admit("key", quota, START + timedelta(days=1))

    assert (first, other_key, next_day) == ([True, True, False], True, True)


@pytest.mark.parametrize(
    ("period", "start"),
    [("DAY", date(2026, 1, 15)), ("WEEK", date(2026, 1, 11)), ("MONTH", date(2026, 1, 1))],
)
def test_periods_start_at_midnight_on_sunday_or_on_the_first(period: str, start: date) -> None:
    assert period_start(period, date(2026, 1, 15)) == start
