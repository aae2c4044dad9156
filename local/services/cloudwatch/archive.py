"""Metrics on disk: a row a period of each series, in SQLite, so that a month of them need not be in memory.

A series is a metric in one unit and one resolution (1, 60, 300 or 3600 seconds). What is old is kept more coarsely,
as CloudWatch does. It knows nothing of statistics.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from local.services.cloudwatch.metric import Metric
from local.services.cloudwatch.samples import Samples

DAY: Final = 86_400
COARSER: Final = ((1, 60, 3 * 3600), (60, 300, 15 * DAY), (300, 3600, 63 * DAY))
"""From one resolution to the next, beyond an age in seconds."""
KEPT_SECONDS: Final = 455 * DAY

_TABLES: Final = (
    """
    CREATE TABLE IF NOT EXISTS metric_series (
        id INTEGER PRIMARY KEY,
        namespace TEXT NOT NULL, name TEXT NOT NULL, dimensions TEXT NOT NULL, unit TEXT NOT NULL,
        resolution INTEGER NOT NULL, last_start INTEGER NOT NULL,
        UNIQUE (namespace, name, dimensions, unit, resolution)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS metric_periods (
        series INTEGER NOT NULL, start INTEGER NOT NULL, samples TEXT NOT NULL, PRIMARY KEY (series, start)
    ) WITHOUT ROWID
    """,
)


class Database(Protocol):
    """Where transactions are; calls come from any thread."""

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]: ...


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """A metric in one unit and one resolution in seconds."""

    metric: Metric
    unit: str
    resolution: int


@dataclass(frozen=True, slots=True)
class KeptSeries:
    """A series that there are rows of, or were; `last_start` is its newest period's."""

    id: int
    key: SeriesKey
    last_start: int


@dataclass(frozen=True, slots=True)
class Period:
    """A row to be written."""

    series: int
    start: int
    samples: str


class MetricArchive:
    """The tables, made where they are missing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction() as connection:
            for table in _TABLES:
                connection.execute(table)

    def series(self) -> list[KeptSeries]:
        """Every series."""
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT id, namespace, name, dimensions, unit, resolution, last_start FROM metric_series"
            ).fetchall()
        return [KeptSeries(row[0], _key(row), row[6]) for row in found]

    def write(self, series: Iterable[KeptSeries], periods: Iterable[Period]) -> None:
        """Keep these, in place of what was there."""
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO metric_series VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET last_start = excluded.last_start",
                [_series_row(entry) for entry in series],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO metric_periods VALUES (?, ?, ?)",
                [(period.series, period.start, period.samples) for period in periods],
            )

    def read(self, series: int, *, start: int, end: int) -> list[tuple[int, Samples]]:
        """The periods that begin in [start, end), in order."""
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT start, samples FROM metric_periods WHERE series = ? AND start >= ? AND start < ? "
                "ORDER BY start",
                (series, start, end),
            ).fetchall()
        return [(begin, Samples.from_text(text)) for begin, text in found]

    def coarsen(self, now: int, *, next_id: int) -> None:
        """Keeps old periods more coarsely and forgets the oldest; new series have ids from `next_id` on."""
        with self._database.transaction() as connection:
            for fine, coarse, age_seconds in COARSER:
                limit = (now - age_seconds) // coarse * coarse
                next_id = _coarsen(connection, fine=fine, coarse=coarse, limit=limit, next_id=next_id)
            connection.execute("DELETE FROM metric_periods WHERE start < ?", (now - KEPT_SECONDS,))
            connection.execute("DELETE FROM metric_series WHERE last_start < ?", (now - KEPT_SECONDS,))


def _coarsen(connection: sqlite3.Connection, *, fine: int, coarse: int, limit: int, next_id: int) -> int:
    found = connection.execute(
        "SELECT id, namespace, name, dimensions, unit FROM metric_series WHERE resolution = ? "
        "AND (SELECT min(start) FROM metric_periods WHERE series = id) < ?",
        (fine, limit),
    ).fetchall()
    for row in found:
        rows = connection.execute(
            "SELECT start, samples FROM metric_periods WHERE series = ? AND start < ? ORDER BY start", (row[0], limit)
        ).fetchall()
        target, next_id = _coarser_series(connection, row, coarse=coarse, next_id=next_id)
        _merge_rows(connection, rows, target=target, coarse=coarse)
        connection.execute("DELETE FROM metric_periods WHERE series = ? AND start < ?", (row[0], limit))
    return next_id


def _coarser_series(
    connection: sqlite3.Connection, row: Sequence[str | int], *, coarse: int, next_id: int
) -> tuple[int, int]:
    identity = (*row[1:5], coarse)
    found = connection.execute(
        "SELECT id FROM metric_series WHERE namespace = ? AND name = ? AND dimensions = ? AND unit = ? "
        "AND resolution = ?",
        identity,
    ).fetchone()
    if found:
        return found[0], next_id
    connection.execute("INSERT INTO metric_series VALUES (?, ?, ?, ?, ?, ?, 0)", (next_id, *identity))
    return next_id, next_id + 1


def _merge_rows(connection: sqlite3.Connection, rows: list[tuple[int, str]], *, target: int, coarse: int) -> None:
    together: dict[int, Samples] = {}
    for start, text in rows:
        together.setdefault(start // coarse * coarse, Samples()).merge(Samples.from_text(text))
    for start, samples in together.items():
        former = connection.execute(
            "SELECT samples FROM metric_periods WHERE series = ? AND start = ?", (target, start)
        ).fetchone()
        if former:
            samples.merge(Samples.from_text(former[0]))
        connection.execute("INSERT OR REPLACE INTO metric_periods VALUES (?, ?, ?)", (target, start, samples.text()))
    connection.execute("UPDATE metric_series SET last_start = max(last_start, ?) WHERE id = ?", (max(together), target))


def _key(row: Sequence[str | int]) -> SeriesKey:
    dimensions = tuple((name, value) for name, value in json.loads(str(row[3])))
    return SeriesKey(Metric(str(row[1]), str(row[2]), dimensions), str(row[4]), int(row[5]))


def _series_row(entry: KeptSeries) -> tuple[int, str, str, str, str, int, int]:
    metric = entry.key.metric
    where = (metric.namespace, metric.name, metric.dimension_text())
    return (entry.id, *where, entry.key.unit, entry.key.resolution, entry.last_start)
