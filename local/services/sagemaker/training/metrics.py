"""Metric definitions: the numbers that regular expressions find in a training job's log lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class MetricReader:
    """Keeps the last value of each metric. `definitions` are regular expressions whose first group is the number."""

    definitions: Mapping[str, re.Pattern[str]]
    latest: dict[str, tuple[float, datetime]] = field(default_factory=dict)

    def read(self, line: str, *, now: datetime) -> None:
        """Take what one log line says."""
        for name, pattern in self.definitions.items():
            for match in pattern.finditer(line):
                try:
                    self.latest[name] = float(match.group(1)), now
                except (TypeError, ValueError):
                    continue  # As on AWS, what is no number is no value of the metric.

    def final(self) -> list[dict[str, Any]]:
        """FinalMetricDataList."""
        return [
            {"MetricName": name, "Value": value, "Timestamp": moment.isoformat()}
            for name, (value, moment) in self.latest.items()
        ]
