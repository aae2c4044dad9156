"""Dynamic labels: `${MAX}`, `${PROP('MetricName')}` and so on in a query's Label."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from local.services.cloudwatch.metric import Metric

_PLACE: Final = re.compile(r"\$\{([^}]*)\}")
_PROPERTY: Final = re.compile(r"PROP\('([^']*)'\)")

_OF_POINTS: Final[Mapping[str, Callable[[Mapping[float, float]], float]]] = {
    "AVG": lambda points: sum(points.values()) / len(points),
    "FIRST": lambda points: points[min(points)],
    "LAST": lambda points: points[max(points)],
    "MAX": lambda points: max(points.values()),
    "MIN": lambda points: min(points.values()),
    "SUM": lambda points: sum(points.values()),
    "DATAPOINT_COUNT": lambda points: float(len(points)),
}


def labelled(label: str, metric: Metric | None, *, points: Mapping[float, float], stat: str, period: int) -> str:
    """The label with its places filled in; a place that is not known stays as it is."""

    def fill(found: re.Match[str]) -> str:
        what = found[1].strip()
        if what in _OF_POINTS:
            return f"{_OF_POINTS[what](points):g}" if points else "--"
        if what == "LABEL" and metric is not None:
            return metric.name
        own = _PROPERTY.fullmatch(what)
        value = _property(own[1], metric, stat=stat, period=period) if own else None
        return found[0] if value is None else value

    return _PLACE.sub(fill, label)


def _property(name: str, metric: Metric | None, *, stat: str, period: int) -> str | None:
    if name in ("Stat", "Period"):
        return stat if name == "Stat" else str(period)
    if metric is None:
        return None
    if name.startswith("Dim."):
        return dict(metric.dimensions).get(name.removeprefix("Dim."))
    return {"MetricName": metric.name, "Namespace": metric.namespace}.get(name)
