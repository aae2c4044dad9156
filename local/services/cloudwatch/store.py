"""The metric store: takes samples, finds metrics, and gives the samples of each period of a range.

Calls may come from any thread. What is put is on disk after `flush`, which a thread of its own calls each half second
(see flushing.py): a `kill -9` costs no more than that.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from local.services.cloudwatch.archive import Database, MetricArchive, SeriesKey
from local.services.cloudwatch.metric import Metric
from local.services.cloudwatch.samples import Samples, merged
from local.services.cloudwatch.series import Series

LISTED_SECONDS: Final = 14 * 86_400
"""A metric without data for that long is not listed."""
RECENT_SECONDS: Final = 3 * 3600

NewData = Callable[[Metric, int], None]
"""Told of a metric, and of the minute (or second) in which it has got data."""


def _nobody(_metric: Metric, _start: int) -> None:
    """Nobody is told."""


class MetricStore:
    """All metrics of one account and region. `on_data` is told of each period that has got samples."""

    def __init__(self, database: Database) -> None:
        self._archive = MetricArchive(database)
        self._lock = threading.RLock()
        self._series: dict[Metric, list[Series]] = defaultdict(list)
        self._dirty: set[Series] = set()
        self._next_id = 1
        self.on_data: NewData = _nobody
        self._load_index()

    def _load_index(self) -> None:
        for kept in self._archive.series():
            series = Series(kept.id, kept.key, last_start=kept.last_start, complete_from=float("inf"))
            self._series[kept.key.metric].append(series)
            self._next_id = max(self._next_id, kept.id + 1)

    def put(
        self, metric: Metric, timestamp: float, samples: Samples, *, unit: str = "None", resolution: int = 60
    ) -> None:
        """Take samples in; `resolution` is 1 or 60 seconds."""
        with self._lock:
            series = self._find(metric, unit, resolution)
            start = series.add(timestamp, samples, read=self._read)
            self._dirty.add(series)
        self.on_data(metric, start)

    def periods(
        self, metric: Metric, *, start: float, end: float, period: int, unit: str | None = None, values: bool = True
    ) -> dict[float, Samples]:
        """The samples of each period of [start, end) that has any, by its beginning; periods count from `start`.

        They are the store's own, to be looked at and not changed. Without `values` their single values may be missing.
        """
        found: dict[float, Samples] = {}
        copied: set[float] = set()
        with self._lock:
            for series in self._series.get(metric, ()):
                if series.key.resolution <= period and unit in (None, series.key.unit):
                    for begin, samples in series.between(start, end, read=self._read):
                        place = start + (begin - start) // period * period
                        if place not in found:
                            found[place] = samples
                            continue
                        if place not in copied:
                            found[place] = merged([found[place]]) if values else found[place].summary()
                            copied.add(place)
                        found[place].merge(samples)
        return dict(sorted(found.items()))

    def starts(self, metric: Metric, start: float, end: float) -> list[int]:
        """The beginnings of periods in [start, end) with data, in order; they are in memory from then on."""
        with self._lock:
            found: set[int] = set()
            for series in self._series.get(metric, ()):
                series.load_from(int(start), read=self._read)
                found.update(begin for begin, _ in series.between(start, end, read=self._read))
        return sorted(found)

    def units(self, metric: Metric) -> list[str]:
        """The units that a metric has been put in."""
        with self._lock:
            return sorted({series.key.unit for series in self._series.get(metric, ())})

    def metrics(self, now: float, *, is_recent: bool = False) -> Iterator[Metric]:
        """The metrics that have had data of late, in order."""
        since = now - (RECENT_SECONDS if is_recent else LISTED_SECONDS)
        with self._lock:
            listed = [
                metric for metric, many in self._series.items() if any(series.last_start >= since for series in many)
            ]
        return iter(sorted(listed))

    def flush(self) -> int:
        """Put on disk what is not there yet; how many periods.

        Raises: StateNotWritten if the disk is full; then it is tried again.
        """
        with self._lock:
            dirty, self._dirty = list(self._dirty), set()
            written = [(series, series.unwritten()) for series in dirty]
        try:
            self._archive.write(
                [series.kept for series in dirty], [period for _, periods in written for period in periods]
            )
        except BaseException:
            with self._lock:
                self._dirty.update(dirty)
                for series, periods in written:
                    series.unwrite(periods)
            raise
        with self._lock:
            for series in dirty:
                series.shrink()
        return sum(len(periods) for _, periods in written)

    def coarsen(self, now: float) -> None:
        """Keep old data more coarsely, as CloudWatch does, and forget what is older than 455 days."""
        with self._lock:
            self.flush()
            self._archive.coarsen(int(now), next_id=self._next_id)
            self._series.clear()
            self._load_index()

    def _find(self, metric: Metric, unit: str, resolution: int) -> Series:
        for series in self._series[metric]:
            if series.key.unit == unit and series.key.resolution == resolution:
                return series
        series = Series(self._next_id, SeriesKey(metric, unit, resolution), last_start=0, complete_from=float("-inf"))
        self._next_id += 1
        self._series[metric].append(series)
        return series

    def _read(self, series: int, start: int, end: int) -> list[tuple[int, Samples]]:
        return self._archive.read(series, start=start, end=end)
