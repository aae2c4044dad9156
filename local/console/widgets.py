"""A dashboard's widgets, from the JSON that CloudWatch keeps: which metrics they ask for, and what to draw of them.

Pure. The `metrics` array's shorthand ("." for the value above, "..." for all of them) and its rendering options are
those of CloudWatch's "Dashboard body structure and syntax". A widget type or view that is not drawn says so by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]

DRAWN_VIEWS = ("timeSeries", "singleValue", "bar", "gauge")
DRAWN_TYPES = ("text", "metric", "alarm", "log")
DEFAULT_PERIOD_SECONDS = 300
LARGEST_POINTS = 1440
"""A longer range is drawn in longer periods, as the console does."""
PERIODS = (1, 5, 10, 30, 60, 300, 900, 3600, 21_600, 86_400, 604_800)


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a graph: its query's id, and how it looks."""

    id: str
    label: str | None
    axis: str = "left"
    color: str | None = None
    visible: bool = True


@dataclass(frozen=True, slots=True)
class Graph:
    """What a metric widget asks CloudWatch for. `queries` are GetMetricData's MetricDataQueries."""

    queries: tuple[dict[str, Any], ...]
    series: tuple[Series, ...]


@dataclass(slots=True)
class _Above:
    """The values of the metric above, for the shorthand."""

    values: list[str] = field(default_factory=list)

    def resolve(self, values: Sequence[str]) -> list[str]:
        if values and values[0] == "...":
            kept = len(self.values) - len(values) + 1
            resolved = [*self.values[: max(kept, 0)], *values[1:]]
        else:
            resolved = list(values)
        self.values = [self._same(index, value) for index, value in enumerate(resolved)]
        return self.values

    def _same(self, index: int, value: str) -> str:
        return self.values[index] if value == "." and index < len(self.values) else value


def undrawn(widget: Json) -> str | None:
    """Why a widget is not drawn here, or None."""
    kind = widget.get("type", "metric")
    if kind not in DRAWN_TYPES:
        return f"a widget of type {kind!r} is not drawn here; {', '.join(DRAWN_TYPES)} are"
    view = widget.get("properties", {}).get("view", "timeSeries")
    if kind == "metric" and view not in DRAWN_VIEWS:
        return f"the view {view!r} is not drawn here; {', '.join(DRAWN_VIEWS)} are"
    return None


def graph_of(properties: Json, *, range_seconds: float) -> Graph:
    """The queries and series of a metric widget, with periods that suit the range.

    Raises: KeyError, TypeError or ValueError for a body that CloudWatch would not have taken.
    """
    above, queries, series = _Above(), [], []
    for index, entry in enumerate(properties.get("metrics", ())):
        values, options = _entry(entry)
        identifier = options.get("id", f"widget{index}")
        query = _query(identifier, above.resolve(values) if values else [], options, properties, range_seconds)
        queries.append(query)
        series.append(
            Series(
                id=identifier,
                label=options.get("label"),
                axis=options.get("yAxis", "left"),
                color=options.get("color"),
                visible=options.get("visible", True),
            )
        )
    return Graph(tuple(queries), tuple(series))


def suitable_period(period: int, *, range_seconds: float) -> int:
    """The widget's own period, or the next longer one with which a series has no more than LARGEST_POINTS points."""
    longer = (step for step in PERIODS if step >= period and range_seconds / step <= LARGEST_POINTS)
    return period if range_seconds / period <= LARGEST_POINTS else next(longer, PERIODS[-1])


def alarm_names(properties: Json) -> list[str]:
    """The alarms of an alarm widget, by their names: a widget has ARNs."""
    return [arn.partition(":alarm:")[2] or arn for arn in properties.get("alarms", ())]


def log_groups(query: str) -> list[str]:
    """The groups of a log widget's query: SOURCE 'a' | SOURCE 'b' | fields ..."""
    sources = (part.strip() for part in query.split("|"))
    return [part.removeprefix("SOURCE").strip().strip("'\"") for part in sources if part.startswith("SOURCE")]


def limits_of(properties: Json) -> Iterator[dict[str, Any]]:
    """The horizontal lines of a graph."""
    for line in properties.get("annotations", {}).get("horizontal", ()):
        if isinstance(line, Mapping) and "value" in line:
            yield {
                "value": line["value"],
                "label": line.get("label", ""),
                "color": line.get("color"),
                "axis": line.get("yAxis", "left"),
            }


def _entry(entry: Sequence[Any]) -> tuple[list[str], Json]:
    *values, last = entry
    if isinstance(last, Mapping):
        return [str(value) for value in values], last
    return [str(value) for value in entry], {}


def _query(
    identifier: str, values: Sequence[str], options: Json, properties: Json, range_seconds: float
) -> dict[str, Any]:
    stated = int(options.get("period", properties.get("period", DEFAULT_PERIOD_SECONDS)))
    period = suitable_period(stated, range_seconds=range_seconds)
    shown = {"Id": identifier, "ReturnData": options.get("visible", True)}
    if "label" in options:
        shown["Label"] = options["label"]
    if "expression" in options:
        return {**shown, "Expression": options["expression"], "Period": period}
    namespace, name, *dimensions = values
    pairs = zip(dimensions[::2], dimensions[1::2], strict=True)
    metric = {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in pairs],
    }
    stat = options.get("stat", properties.get("stat", "Average"))
    return {**shown, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}}
