"""The monitor's records of labelled predictions, an hour each: how many there were, and how often the model erred.

Read as plain JSON: what a tally is made of stays with the monitor.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from functions.monitor.objects import Bucket, list_objects
from functions.shared import layout

READERS = 16
SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class LabelledHour:
    """Labelled predictions of one hour. `error` is None where the hour's metrics tell none."""

    hour: str
    """yyyy/mm/dd/hh, of the predictions."""
    rows: int
    error: float | None


@dataclass(frozen=True, slots=True)
class QualityRecords:
    """Of one endpoint."""

    s3: Any
    bucket: str
    endpoint: str

    def since(self, hour: str) -> tuple[LabelledHour, ...]:
        """From this hour on, in their order."""
        prefix = f"{layout.monitor_prefix(self.endpoint)}quality/"
        found = list_objects(self.s3, bucket=self.bucket, prefix=prefix, start_after=f"{prefix}{hour}")
        keys = [each["Key"] for each in found if each["Key"].endswith(SUFFIX)]
        with ThreadPoolExecutor(READERS) as pool:
            contents = list(pool.map(Bucket(self.s3, self.bucket).find, keys))
        return tuple(
            _read(key[len(prefix) : -len(SUFFIX)], content)
            for key, content in zip(keys, contents, strict=True)
            if content is not None
        )


def rows_since(hours: Iterable[LabelledHour], hour: str) -> int:
    """Labelled predictions of this hour and later."""
    return sum(each.rows for each in hours if each.hour >= hour)


def error_since(hours: Iterable[LabelledHour], hour: str) -> tuple[float, int]:
    """The mean error of the labelled predictions from this hour on, and of how many it is."""
    told = [(each.error, each.rows) for each in hours if each.hour >= hour and each.error is not None]
    rows = sum(count for _, count in told)
    return (sum(error * count for error, count in told) / rows if rows else 0.0), rows


def error_in(metrics: Mapping[str, float]) -> float | None:
    """The share of wrong predictions, or a regression's mean absolute error; None where neither is told."""
    if "accuracy" in metrics:
        return 1.0 - metrics["accuracy"]
    return metrics.get("mae")


def _read(hour: str, content: bytes) -> LabelledHour:
    document = json.loads(content)
    metrics = {name: each["value"] for name, each in document["metrics"].items()}
    return LabelledHour(hour, rows=int(document["rows"]), error=error_in(metrics))
