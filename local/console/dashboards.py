"""A dashboard with its data: each widget of the body that was deployed, and what CloudWatch says of its metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from local.console.widgets import Graph, alarm_names, graph_of, limits_of, log_groups, undrawn
from local.deploy.handlers import Clients

Json = Mapping[str, Any]

REFUSED_WIDGET = (KeyError, TypeError, ValueError, ClientError)


@dataclass(frozen=True, slots=True)
class Span:
    """From when until when; `end` is not part of it."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


def dashboard_names(clients: Clients) -> list[str]:
    """Every dashboard, by name."""
    pages = clients("cloudwatch").get_paginator("list_dashboards").paginate()
    return sorted(entry["DashboardName"] for page in pages for entry in page["DashboardEntries"])


def drawn_dashboard(clients: Clients, name: str, *, span: Span) -> dict[str, Any]:
    """The dashboard as the page draws it: each widget with its place, and its data or the reason why there is none.

    Raises: ClientError if there is no such dashboard.
    """
    body = json.loads(clients("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])
    widgets = [_drawn(clients, widget, span) for widget in body.get("widgets", ())]
    return {"name": name, "start": span.start.timestamp(), "end": span.end.timestamp(), "widgets": widgets}


def _drawn(clients: Clients, widget: Json, span: Span) -> dict[str, Any]:
    properties = widget.get("properties", {})
    place = {key: widget.get(key, default) for key, default in (("x", 0), ("y", 0), ("width", 6), ("height", 6))}
    drawn = {**place, "type": widget.get("type", "metric"), "title": properties.get("title", "")}
    if (reason := undrawn(widget)) is not None:
        return {**drawn, "problem": reason}
    try:
        return {**drawn, **_content(clients, drawn["type"], properties, span)}
    except REFUSED_WIDGET as error:  # one broken widget leaves the others readable
        return {**drawn, "problem": f"{type(error).__name__}: {error}"}


def _content(clients: Clients, kind: str, properties: Json, span: Span) -> dict[str, Any]:
    if kind == "text":
        return {"markdown": properties.get("markdown", "")}
    if kind == "alarm":
        return {"alarms": alarm_names(properties)}
    if kind == "log":
        query = properties.get("query", "")
        return {"query": query, "groups": log_groups(query)}
    graph = graph_of(properties, range_seconds=span.seconds)
    return {
        "view": properties.get("view", "timeSeries"),
        "stacked": bool(properties.get("stacked", False)),
        "sparkline": bool(properties.get("sparkline", False)),
        "axes": properties.get("yAxis", {}),
        "limits": list(limits_of(properties)),
        "series": _series(clients, graph, span),
    }


def _series(clients: Clients, graph: Graph, span: Span) -> list[dict[str, Any]]:
    if not graph.queries:
        return []
    looks = {series.id: series for series in graph.series}
    found = []
    for result in _results(clients, graph.queries, span):
        # A SEARCH gives several series of one id.
        series = looks[result["Id"]]
        points = sorted(zip((moment.timestamp() for moment in result["Timestamps"]), result["Values"], strict=True))
        label = result.get("Label") or series.label or series.id
        found.append({**asdict(series), "label": label, "points": [list(point) for point in points]})
    return found


def _results(clients: Clients, queries: Sequence[Json], span: Span) -> Iterator[dict[str, Any]]:
    pages = (
        clients("cloudwatch")
        .get_paginator("get_metric_data")
        .paginate(
            MetricDataQueries=list(queries),
            StartTime=span.start,
            EndTime=span.end,
            ScanBy="TimestampAscending",
        )
    )
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for page in pages:
        for result in page["MetricDataResults"]:
            key = (result["Id"], result.get("Label", ""))
            whole = merged.setdefault(key, {**result, "Timestamps": [], "Values": []})
            whole["Timestamps"] += result["Timestamps"]
            whole["Values"] += result["Values"]
    yield from merged.values()
