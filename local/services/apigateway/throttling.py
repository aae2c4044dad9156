"""Token buckets and quotas on a given time; the same arithmetic for stages, methods and usage plans."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from local.services.apigateway.api import Quota, Throttle


@dataclass(slots=True)
class TokenBucket:
    """Holds at most `burst` tokens and gains `rate_per_second`; it starts full."""

    throttle: Throttle
    filled_at: datetime
    tokens: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = float(self.throttle.burst)

    def take(self, now: datetime) -> bool:
        """Whether there was a token to take."""
        passed_seconds = max(0.0, (now - self.filled_at).total_seconds())
        self.tokens = min(self.throttle.burst, self.tokens + passed_seconds * self.throttle.rate_per_second)
        self.filled_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class Throttles:
    """One bucket for each thing that is throttled; a bucket starts anew when its measures change."""

    buckets: dict[Hashable, TokenBucket] = field(default_factory=dict)

    def admit(self, key: Hashable, throttle: Throttle, now: datetime) -> bool:
        """Whether one more request may pass."""
        bucket = self.buckets.get(key)
        if bucket is None or bucket.throttle != throttle:
            bucket = self.buckets[key] = TokenBucket(throttle, now)
        return bucket.take(now)


@dataclass(slots=True)
class Quotas:
    """Counts requests in calendar periods (UTC)."""

    used: dict[tuple[Hashable, date], int] = field(default_factory=dict)

    def admit(self, key: Hashable, quota: Quota, now: datetime) -> bool:
        """Whether one more request may pass in the period of `now`."""
        period = (key, period_start(quota.period, now.date()))
        if self.used.get(period, 0) >= quota.limit:
            return False
        self.used[period] = self.used.get(period, 0) + 1
        return True


def period_start(period: str, day: date) -> date:
    """The first day of the DAY, WEEK (from Sunday) or MONTH that `day` is in."""
    if period == "WEEK":
        return day - timedelta(days=day.isoweekday() % 7)
    return day.replace(day=1) if period == "MONTH" else day
