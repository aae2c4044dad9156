"""Capture coverage: captured records of the requests that were answered, over whole hours that are long enough ago.

The gateway's metrics say how many were answered. Requests past the gateway are captured too, so that it may exceed 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from functions.gateway.metrics import NAMESPACE, SERVICE_DIMENSION, Metric
from functions.shared import layout

LAG = timedelta(minutes=30)
"""Captured files appear minutes after the requests, and metrics too."""
UNANSWERED = (Metric.REJECTED_REQUESTS, Metric.MODEL_ERRORS, Metric.INTERNAL_ERRORS)
HOUR_SECONDS = 3600
ALLOWED_DEVIATIONS = 2.0


class MetricsSource(Protocol):
    """As much of botocore's CloudWatch client as coverage needs."""

    def get_metric_data(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of the requests between two whole hours. `captured_share` is that which the package asks to be captured."""

    answered: int
    captured: int
    captured_share: float

    @property
    def value(self) -> float | None:
        """Captured of those that should have been; None where there were none.

        Where only a share is captured, chance decides how many: two standard deviations of it are allowed for.
        """
        expected = self.answered * self.captured_share
        if expected <= 0:
            return None
        deviation = math.sqrt(expected * (1 - self.captured_share))
        return max(self.captured, min(expected, self.captured + ALLOWED_DEVIATIONS * deviation)) / expected


def complete_until(now: datetime) -> datetime:
    """The end of the last hour that can be judged."""
    return (now - LAG).replace(minute=0, second=0, microsecond=0)


def captured_between(by_hour: Mapping[str, int], *, begin: datetime, end: datetime) -> int:
    """Records of the hours from `begin` to before `end`, both whole hours."""
    first, last = layout.hour_path(begin), layout.hour_path(end)
    return sum(count for hour, count in by_hour.items() if first <= hour < last)


def answered_between(source: MetricsSource, *, package: str, begin: datetime, end: datetime) -> int:
    """Requests that the model answered, as the gateway counted them."""
    names = (Metric.REQUESTS, *UNANSWERED)
    requests, *unanswered = counted_between(source, names, package=package, begin=begin, end=end)
    return max(0, round(requests - sum(unanswered)))


def counted_between(
    source: MetricsSource,
    metrics: Sequence[Metric],
    *,
    package: str,
    begin: datetime,
    end: datetime,
    period_seconds: int = HOUR_SECONDS,
) -> tuple[float, ...]:
    """The sum of each of the gateway's metrics, in their order, however many pages CloudWatch answers with."""
    queries = [_query(f"m{index}", name, package, period_seconds) for index, name in enumerate(metrics)]
    totals = dict.fromkeys((query["Id"] for query in queries), 0.0)
    arguments: dict[str, Any] = {"MetricDataQueries": queries, "StartTime": begin, "EndTime": end}
    while True:
        page = source.get_metric_data(**arguments)
        for result in page["MetricDataResults"]:
            totals[result["Id"]] += sum(result["Values"])
        if not page.get("NextToken"):
            return tuple(totals.values())
        arguments["NextToken"] = page["NextToken"]


def _query(identifier: str, name: Metric, package: str, period_seconds: int) -> dict[str, Any]:
    dimensions = [{"Name": SERVICE_DIMENSION, "Value": package}]
    metric = {"Namespace": NAMESPACE, "MetricName": name.value, "Dimensions": dimensions}
    return {"Id": identifier, "MetricStat": {"Metric": metric, "Period": period_seconds, "Stat": "Sum"}}
