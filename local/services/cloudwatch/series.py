"""One series of a metric in memory: its newest periods, and which of them the disk does not have yet."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Final

from local.services.cloudwatch.archive import KeptSeries, Period, SeriesKey
from local.services.cloudwatch.samples import Samples

MOST_PERIODS: Final = 4096
"""In memory, of one series: almost three days of minutes."""
REMEMBERED_SECONDS: Final = 2 * 86_400
"""What is read of so long before a series' newest period is read again and again, by alarms: it stays in memory."""

Read = Callable[[int, int, int], list[tuple[int, Samples]]]
"""The periods of a series that begin in [start, end), from disk."""


class Series:
    """From `complete_from` on everything is in memory; before that, what was touched since."""

    def __init__(self, series_id: int, key: SeriesKey, *, last_start: int, complete_from: float) -> None:
        self.id, self.key, self.last_start = series_id, key, last_start
        self._complete_from = complete_from
        self._periods: dict[int, Samples] = {}
        self._starts: list[int] = []
        self._unwritten: set[int] = set()

    def add(self, timestamp: float, samples: Samples, *, read: Read) -> int:
        """Takes samples of a moment in; the period that they fell into."""
        start = int(timestamp // self.key.resolution) * self.key.resolution
        if start not in self._periods:
            self._remember(start, self._kept(start, read))
        self._periods[start].merge(samples)
        self._unwritten.add(start)
        self.last_start = max(self.last_start, start)
        return start

    def between(self, start: float, end: float, *, read: Read) -> list[tuple[int, Samples]]:
        """The periods that begin in [start, end), in order."""
        first, last = math.ceil(start), math.ceil(end)
        if first >= self.last_start - REMEMBERED_SECONDS:
            self.load_from(first, read=read)
        own = self._starts[bisect_left(self._starts, first) : bisect_left(self._starts, last)]
        if first >= self._complete_from or first >= last:
            return [(begin, self._periods[begin]) for begin in own]
        found = dict(read(self.id, first, last))
        found.update({begin: self._periods[begin] for begin in own})
        return sorted(found.items())

    def load_from(self, start: int, *, read: Read) -> None:
        """Brings everything from a moment on into memory."""
        if start >= self._complete_from:
            return
        for begin, samples in read(self.id, start, 2**62):
            if begin not in self._periods:
                self._remember(begin, samples)
        self._complete_from = start

    def unwritten(self) -> list[Period]:
        """What the disk does not have yet; from now on it is taken to have it."""
        found = [Period(self.id, start, self._periods[start].text()) for start in sorted(self._unwritten)]
        self._unwritten.clear()
        return found

    def unwrite(self, periods: list[Period]) -> None:
        """What could not be written after all."""
        self._unwritten |= {period.start for period in periods}

    def shrink(self) -> None:
        """Leaves the oldest periods to the disk where there are too many; to be called when all is written."""
        if len(self._starts) > MOST_PERIODS and not self._unwritten:
            kept = self._starts[-MOST_PERIODS // 2 :]
            for start in self._starts[: -MOST_PERIODS // 2]:
                del self._periods[start]
            self._starts = kept
            self._complete_from = max(self._complete_from, kept[0])

    @property
    def kept(self) -> KeptSeries:
        """As the disk keeps it."""
        return KeptSeries(self.id, self.key, self.last_start)

    def _kept(self, start: int, read: Read) -> Samples:
        if start >= self._complete_from:
            return Samples()
        found = read(self.id, start, start + 1)
        return found[0][1] if found else Samples()

    def _remember(self, start: int, samples: Samples) -> None:
        self._periods[start] = samples
        if not self._starts or start > self._starts[-1]:
            self._starts.append(start)
        else:
            insort(self._starts, start)
