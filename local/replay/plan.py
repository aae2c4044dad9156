"""Which row of a replay comes at which moment, which rows travel together, and from which one on they are shifted."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from model_packages.errors import OperatorError

LONGEST_STEP: Final = timedelta(hours=1)
ROWS_A_STEP: Final = 16
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Step:
    """Rows that are sent together, at the moment of the first of them; `first` is its number."""

    moment: datetime
    first: int
    count: int

    @property
    def rows(self) -> range:
        return range(self.first, self.first + self.count)


def arrivals(rows: int, *, start: datetime, days: float, seed: int) -> list[datetime]:
    """The moments of a Poisson process of which `rows` fall into the time: no hour and no day is like another."""
    draw = random.Random(f"arrivals {seed}")  # noqa: S311 - a simulation: repeatable on purpose
    span = timedelta(days=days)
    return sorted(start + span * draw.random() for _ in range(rows))


def steps(moments: Sequence[datetime]) -> Iterator[Step]:
    """Rows in order, a few at a time; no step reaches over a whole hour, so hours keep their rows."""
    first = 0
    while first < len(moments):
        end = EPOCH + ((moments[first] - EPOCH) // LONGEST_STEP + 1) * LONGEST_STEP
        count = min(bisect_left(moments, end, lo=first) - first, ROWS_A_STEP)
        yield Step(moments[first], first, count)
        first += count


def shift_moment(at: str, *, start: datetime, days: float) -> datetime:
    """When the shift begins: `50%` of the time, or an ISO 8601 moment, in UTC where it says no other.

    Raises: OperatorError for what is neither.
    """
    text = at.strip()
    try:
        if text.endswith("%"):
            return start + timedelta(days=days) * (float(text[:-1]) / 100)
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise OperatorError(
            f"found the time {at!r}; allowed: a share of the replayed time such as 50%, or a moment such as "
            f"{start:%Y-%m-%dT%H:%M:%SZ}"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def first_from(moments: Sequence[datetime], moment: datetime) -> int:
    """The number of the first row at or after a moment; as many as there are rows if all are before it."""
    return bisect_left(moments, moment)
