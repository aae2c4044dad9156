"""Publishes a run's metrics: few, once a window, stamped with the time that they are about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, Self

from functions.gateway.metrics import NAMESPACE, SERVICE_DIMENSION
from functions.monitor.metrics import FIELD_DIMENSION, EndpointMetric, FieldMetric, WindowMetric

MAXIMUM_METRICS = 1000
"""CloudWatch takes so many in one call."""
OLDEST = timedelta(days=13)
"""CloudWatch refuses what is two weeks old."""
CHANGING = frozenset({"CREATING", "UPDATING", "SYSTEM_UPDATING", "ROLLING_BACK"})
"""Endpoint statuses as EventBridge spells them; with any other one the endpoint has done what it will do."""

Name = WindowMetric | FieldMetric | EndpointMetric


class MetricsSink(Protocol):
    """As much of botocore's CloudWatch client as publishing needs."""

    def put_metric_data(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of one metric at one time."""

    name: str
    value: float
    time: datetime
    field: str | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        return cls(**{**content, "time": datetime.fromisoformat(content["time"])})


def measured(values: Mapping[Name, float | None], *, time: datetime) -> tuple[Measurement, ...]:
    """A measurement for each value there is. What cannot be computed is None or not finite, and is no measurement."""
    return tuple(
        Measurement(name=name.value, value=float(value), time=time)
        for name, value in values.items()
        if value is not None and math.isfinite(value)
    )


def endpoint_change(event: Mapping[str, Any], *, time: datetime) -> Measurement:
    """What SageMaker's event says: 1 while the endpoint changes, 0 when it has."""
    status: str = event["detail"]["EndpointStatus"]
    return Measurement(name=EndpointMetric.UPDATING.value, value=float(status in CHANGING), time=time)


def publish(sink: MetricsSink, measurements: Sequence[Measurement], *, package: str, now: datetime) -> int:
    """Puts the measurements to CloudWatch, and says how many were too old for it to take."""
    fresh = [item for item in measurements if now - item.time < OLDEST]
    for start in range(0, len(fresh), MAXIMUM_METRICS):
        data = [_datum(item, package=package) for item in fresh[start : start + MAXIMUM_METRICS]]
        sink.put_metric_data(Namespace=NAMESPACE, MetricData=data)
    return len(measurements) - len(fresh)


def _datum(item: Measurement, *, package: str) -> dict[str, Any]:
    dimensions = {SERVICE_DIMENSION: package, **({FIELD_DIMENSION: item.field} if item.field else {})}
    return {
        "MetricName": item.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        "Timestamp": item.time,
        "Value": item.value,
    }
