"""A widget's JSON becomes the queries that CloudWatch's own console would send."""

from __future__ import annotations

from typing import Any

import pytest

from local.console.widgets import alarm_names, graph_of, limits_of, log_groups, suitable_period, undrawn

HOUR = 3600.0


def metric_of(query: dict[str, Any]) -> tuple[str, str, dict[str, str]]:
    metric = query["MetricStat"]["Metric"]
    dimensions = {pair["Name"]: pair["Value"] for pair in metric["Dimensions"]}
    return metric["Namespace"], metric["MetricName"], dimensions


def test_a_metric_is_asked_for_with_its_dimensions_and_statistic() -> None:
    widget = {
        "metrics": [["AWS/SageMaker", "ModelLatency", "EndpointName", "e", "VariantName", "main", {"stat": "p99"}]]
    }

    graph = graph_of({**widget, "period": 60}, range_seconds=HOUR)

    (query,) = graph.queries
    assert metric_of(query) == ("AWS/SageMaker", "ModelLatency", {"EndpointName": "e", "VariantName": "main"})
    assert query["MetricStat"] | {"Metric": None} == {"Metric": None, "Period": 60, "Stat": "p99"}


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ([".", "Errors", ".", "."], ("N", "Errors", {"d": "v"})),
        (["...", "w"], ("N", "Requests", {"d": "w"})),
        ([".", ".", "d", "x"], ("N", "Requests", {"d": "x"})),
        (["..."], ("N", "Requests", {"d": "v"})),
    ],
)
def test_the_shorthand_takes_values_from_the_metric_above(second: list[str], expected: object) -> None:
    graph = graph_of({"metrics": [["N", "Requests", "d", "v"], second]}, range_seconds=HOUR)

    assert metric_of(graph.queries[1]) == expected


def test_an_expression_is_asked_for_and_what_it_is_made_of_is_not_drawn() -> None:
    widget = {
        "metrics": [[{"expression": "m1 / 2", "label": "half", "id": "e1"}], ["N", "M", {"id": "m1", "visible": False}]]
    }

    graph = graph_of(widget, range_seconds=HOUR)

    assert graph.queries[0] == {"Id": "e1", "ReturnData": True, "Label": "half", "Expression": "m1 / 2", "Period": 300}
    assert graph.queries[1]["ReturnData"] is False
    assert [series.visible for series in graph.series] == [True, False]


@pytest.mark.parametrize(
    ("period", "seconds", "expected"),
    [(60, 3600, 60), (60, 7 * 86_400, 900), (300, 28 * 86_400, 3600), (3600, 60, 3600)],
)
def test_a_long_range_is_drawn_in_longer_periods(period: int, seconds: float, expected: int) -> None:
    assert suitable_period(period, range_seconds=seconds) == expected


def test_what_is_not_drawn_says_so_by_name() -> None:
    assert "'explorer'" in (undrawn({"type": "explorer"}) or "")
    assert "'pie'" in (undrawn({"type": "metric", "properties": {"view": "pie"}}) or "")
    assert undrawn({"type": "metric", "properties": {}}) is None


def test_alarms_groups_and_limits_are_read() -> None:
    horizontal = [{"value": 3, "label": "called"}, [{"value": 1}, {"value": 2}]]

    assert alarm_names({"alarms": ["arn:aws:cloudwatch:us-east-1:1:alarm:drift"]}) == ["drift"]
    assert log_groups("SOURCE 'a' | SOURCE 'b' | fields @message") == ["a", "b"]
    assert [line["value"] for line in limits_of({"annotations": {"horizontal": horizontal}})] == [3]
