"""Metrics out of log lines: embedded ones, and those of metric filters, with what is wrong made visible."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.services.cloudwatch.metric import Metric
from local.services.cloudwatch.samples import Samples
from local.services.logs.log_metrics import LogMetrics
from local.services.logs.metric_filters import checked, metric_filters
from local.services.logs.problems import InvalidPattern, InvalidTransformation

NOW = 1_770_000_000.0
DIRECTIVE = {"Namespace": "n", "Dimensions": [["service"]], "Metrics": [{"Name": "Count", "Unit": "Count"}]}


@dataclass
class Taken:
    """What became metrics."""

    puts: list[tuple[Metric, float, list[float], str, int]] = field(default_factory=list)

    def put(
        self, metric: Metric, timestamp: float, samples: Samples, *, unit: str = "None", resolution: int = 60
    ) -> None:
        self.puts.append((metric, timestamp, list(samples.values or ()), unit, resolution))

    def values(self, name: str) -> list[float]:
        return [value for metric, _, values, _, _ in self.puts if metric.name == name for value in values]


def embedded(directive: Any = DIRECTIVE, *, timestamp: Any = NOW * 1000, **members: Any) -> str:
    return json.dumps({"_aws": {"Timestamp": timestamp, "CloudWatchMetrics": [directive]}, "service": "d", **members})


def observed(*lines: str, filters: Sequence[Mapping[str, Any]] = ()) -> Taken:
    taken = Taken()
    metrics = LogMetrics(put=taken.put, filters_of=lambda _group: metric_filters(filters))
    metrics.observe("/group", [(NOW, line) for line in lines], now=NOW)
    metrics.put_defaults(NOW + 120)
    return taken


def transformation(**more: Any) -> dict[str, Any]:
    return {"metricName": "m", "metricNamespace": "n", "metricValue": "1", **more}


def metric_filter(pattern: str, **more: Any) -> dict[str, Any]:
    return {"filterName": "f", "filterPattern": pattern, "metricTransformations": [transformation(**more)]}


def test_a_line_may_carry_metrics() -> None:
    taken = observed(embedded(Count=3), "plain", '{"_aws": 1}', json.dumps({"a": '"_aws"'}))

    assert taken.puts == [(Metric.of("n", "Count", {"service": "d"}), NOW, [3.0], "Count", 60)]


def test_each_set_of_dimensions_is_a_metric_of_its_own() -> None:
    directive = {
        "Namespace": "n",
        "Dimensions": [["service"], ["service", "field"], []],
        "Metrics": [{"Name": "Latency", "Unit": "Milliseconds", "StorageResolution": 1}],
    }

    taken = observed(embedded(directive, field="price", Latency=[1, 2.5]))

    assert [(metric.dimensions, values, unit, resolution) for metric, _, values, unit, resolution in taken.puts] == [
        ((("service", "d"),), [1.0, 2.5], "Milliseconds", 1),
        ((("field", "price"), ("service", "d")), [1.0, 2.5], "Milliseconds", 1),
        ((), [1.0, 2.5], "Milliseconds", 1),
    ]


# fmt: off
INVALID = [
    # line                                                                what is wrong
    (embedded(),                                                          "the metric is not there"),
    (embedded(Count="3"),                                                 "the metric is no number"),
    (embedded(Count=[1] * 101),                                           "too many values"),
    (embedded({**DIRECTIVE, "Dimensions": [["missing"]]}, Count=1),       "the dimension is not there"),
    (embedded({**DIRECTIVE, "Namespace": ""}, Count=1),                   "no namespace"),
    (embedded({**DIRECTIVE, "Metrics": [{"Name": "Count", "Unit": "x"}]}, Count=1), "no such unit"),
    (embedded(timestamp=None, Count=1),                                   "no timestamp"),
    (embedded(timestamp=(NOW - 15 * 86_400) * 1000, Count=1),             "too old"),
]
# fmt: on


@pytest.mark.parametrize(("line", "why"), INVALID)
def test_what_is_wrong_with_embedded_metrics_is_counted_and_told(
    line: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    taken = observed(line, line)

    (metric, _, _, unit, _), *_ = taken.puts
    assert (metric, unit) == (Metric.of("AWS/Logs", "EMFValidationErrors", {"LogGroupName": "/group"}), "Count")
    assert taken.values("EMFValidationErrors") == [1.0, 1.0], why
    assert len(caplog.records) == 1


def test_a_torn_line_is_counted_as_such() -> None:
    assert observed(embedded(Count=1)[:-1]).values("EMFParsingErrors") == [1.0]


def test_a_filter_counts_the_lines_that_match() -> None:
    taken = observed("ERROR one", "fine", "ERROR two", filters=[metric_filter("ERROR", unit="Count")])

    assert [(metric, values, unit) for metric, _, values, unit, _ in taken.puts] == [
        (Metric.of("n", "m"), [1.0], "Count")
    ] * 2


def test_a_filter_takes_values_and_dimensions_from_the_line() -> None:
    of_json = metric_filter("{ $.ms > 0 }", metricValue="$.ms", dimensions={"path": "$.path"})
    of_columns = metric_filter("[path, ms > 0]", metricValue="$ms", dimensions={"path": "$path"})

    json_taken = observed('{"ms": 7, "path": "/a"}', '{"ms": 8}', filters=[of_json])
    columns_taken = observed("/a 7", "/b 0", filters=[of_columns])

    expected = [(Metric.of("n", "m", {"path": "/a"}), [7.0])]
    assert [(metric, values) for metric, _, values, _, _ in json_taken.puts] == expected
    assert [(metric, values) for metric, _, values, _, _ in columns_taken.puts] == expected


def test_a_default_stands_for_a_minute_whose_lines_do_not_match() -> None:
    filters = [metric_filter("ERROR", defaultValue=0.0)]

    silent = observed("fine", "fine", filters=filters)
    loud = observed("fine", "ERROR", filters=filters)
    nothing = observed(filters=filters)

    assert [silent.values("m"), loud.values("m"), nothing.values("m")] == [[0.0], [1.0], []]


@pytest.mark.parametrize(
    "wrong",
    [
        {"metricValue": "many"},
        {"unit": "Furlongs"},
        {"defaultValue": 0.0, "dimensions": {"a": "$.a"}},
        {"dimensions": {"a": "fixed"}},
        {"dimensions": dict.fromkeys("abcd", "$.a")},
    ],
)
def test_a_transformation_that_gives_no_metric_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidTransformation):
        checked("ERROR", [transformation(**wrong)])


def test_a_filter_with_a_wrong_pattern_is_refused() -> None:
    with pytest.raises(InvalidPattern):
        checked("{ $.a = }", [transformation()])
