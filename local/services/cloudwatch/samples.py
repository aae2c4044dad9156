"""The values that fell into one period of a metric: count, sum, extremes, and how often each value came.

They merge by addition. Beyond 400 different values they are kept to 0.5 % each, so that a period's size is bounded
and a percentile stays within that error; a statistic set has no values, and with one in it there are no percentiles.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

MOST_VALUES: Final = 400
COARSE: Final = math.log(1.01)
"""Width of a bin of coarse values, whose middle is at most half of it away: 0.5 %."""


@dataclass(slots=True)
class Samples:
    """Of one period. `values` is None where a statistic set has hidden them."""

    count: float = 0.0
    sum: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    values: dict[float, float] | None = field(default_factory=dict)
    is_coarse: bool = False

    @classmethod
    def of(cls, values: Iterable[float]) -> Samples:
        """Single values."""
        samples = cls()
        for value in values:
            samples.add(value)
        return samples

    @classmethod
    def of_statistics(cls, document: Mapping[str, float]) -> Samples:
        """A statistic set; one of a single value is as good as that value."""
        count, minimum, maximum = document["SampleCount"], document["Minimum"], document["Maximum"]
        values = {minimum: count} if count and minimum == maximum else (None if count else {})
        return cls(count, document["Sum"], minimum, maximum, values) if count else cls()

    def add(self, value: float, count: float = 1.0) -> None:
        """One value, so many times."""
        self.count += count
        self.sum += value * count
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)
        if self.values is not None:
            key = _coarse(value) if self.is_coarse else value
            self.values[key] = self.values.get(key, 0.0) + count
            if len(self.values) > MOST_VALUES:
                self._coarsen()

    def merge(self, other: Samples) -> None:
        """Takes in what another period, or another call, has."""
        self.count += other.count
        self.sum += other.sum
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        if self.values is None or other.values is None:
            self.values = None
            return
        if other.is_coarse:
            self._coarsen()
        for value, count in other.values.items():
            key = _coarse(value) if self.is_coarse else value
            self.values[key] = self.values.get(key, 0.0) + count
        if len(self.values) > MOST_VALUES:
            self._coarsen()

    def summary(self) -> Samples:
        """A copy without the single values: adding to it is cheap."""
        return Samples(self.count, self.sum, self.minimum, self.maximum, None)

    def text(self) -> str:
        """To be kept."""
        values = None if self.values is None else [list(self.values), list(self.values.values())]
        return json.dumps([self.count, self.sum, self.minimum, self.maximum, values, self.is_coarse])

    @classmethod
    def from_text(cls, text: str) -> Samples:
        """As `text` wrote it."""
        count, total, minimum, maximum, values, is_coarse = json.loads(text)
        found = None if values is None else dict(zip(*values, strict=True))
        return cls(count, total, minimum, maximum, found, is_coarse)

    def _coarsen(self) -> None:
        if self.is_coarse or self.values is None:
            return
        self.is_coarse = True
        fine, self.values = self.values, {}
        for value, count in fine.items():
            key = _coarse(value)
            self.values[key] = self.values.get(key, 0.0) + count


def merged(many: Iterable[Samples]) -> Samples:
    """All of them together, in a new one."""
    total = Samples()
    for samples in many:
        total.merge(samples)
    return total


def _coarse(value: float) -> float:
    if value == 0.0:
        return 0.0
    return math.copysign(math.exp(round(math.log(abs(value)) / COARSE) * COARSE), value)
