"""The metric store through the API: what is put can be read, in each protocol, after a kill, and not for ever."""

# ruff: noqa: E501 - tables are read as tables

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.services.cloudwatch.metric import Metric
from local.services.cloudwatch.samples import Samples
from local.services.cloudwatch.statistics import statistic
from tests.local.services.cloudwatch.given import START, Given, given_cloudwatch

PROTOCOLS = ("json", "query", "smithy-rpc-v2-cbor")
HUNDRED = [float(value) for value in range(1, 101)]


@pytest.fixture
def given(tmp_path: Path) -> Iterator[Given]:
    with given_cloudwatch(tmp_path) as opened:
        yield opened


def read(given: Given, *statistics: str, name: str = "m", minutes: int = 60, **more: Any) -> list[dict[str, Any]]:
    simple = [each for each in statistics if each in ("Sum", "Average", "Minimum", "Maximum", "SampleCount")]
    asked = {
        "Namespace": "n",
        "MetricName": name,
        "Period": 60,
        "StartTime": START,
        "EndTime": START + timedelta(minutes=minutes),
        **({"Statistics": simple} if simple else {"ExtendedStatistics": list(statistics)}),
        **more,
    }
    found: list[dict[str, Any]] = given.client.get_metric_statistics(**asked)["Datapoints"]
    return sorted(found, key=lambda point: point["Timestamp"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_protocol_puts_and_reads_the_same(given: Given, protocol: str) -> None:
    client = given.speaking(protocol)
    stat = {"Metric": {"Namespace": "n", "MetricName": "m"}, "Stat": "p50", "Period": 60}

    client.put_metric_data(
        Namespace="n", MetricData=[{"MetricName": "m", "Values": [1.0, 2.0, 3.0], "Counts": [1.0, 2.0, 1.0]}]
    )
    client.put_metric_alarm(
        AlarmName="a", MetricName="m", Namespace="n", Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=0.5,
        ComparisonOperator="GreaterThanThreshold", Dimensions=[{"Name": "d", "Value": "v"}],
    )  # fmt: skip

    result = client.get_metric_data(
        MetricDataQueries=[{"Id": "a", "MetricStat": stat}, {"Id": "b", "Expression": "a * 2"}],
        StartTime=START,
        EndTime=START + timedelta(minutes=1),
    )["MetricDataResults"]
    assert [(each["Id"], each["Timestamps"], each["Values"]) for each in result] == [
        ("a", [START], [2.0]),
        ("b", [START], [4.0]),
    ]
    found = client.get_metric_statistics(
        Namespace="n", MetricName="m", Period=60, StartTime=START, EndTime=START + timedelta(minutes=1),
        ExtendedStatistics=["p90"],
    )["Datapoints"]  # fmt: skip
    assert found[0]["ExtendedStatistics"] == {"p90": 3.0}
    assert client.describe_alarms()["MetricAlarms"][0]["Dimensions"] == [{"Name": "d", "Value": "v"}]
    with pytest.raises(client.exceptions.ResourceNotFound):
        client.get_dashboard(DashboardName="none")


def test_a_metric_is_its_namespace_name_and_exact_dimensions(given: Given) -> None:
    given.put(1.0)
    given.put(2.0, a="1")
    given.put(3.0, a="1", b="2")

    both = [{"Name": "b", "Value": "2"}, {"Name": "a", "Value": "1"}]

    assert [point["Sum"] for point in read(given, "Sum")] == [1.0]
    assert [point["Sum"] for point in read(given, "Sum", Dimensions=both)] == [3.0]
    assert read(given, "Sum", Dimensions=both[:1]) == []


def test_values_counts_and_statistic_sets_add_up(given: Given) -> None:
    statistics = {"SampleCount": 2.0, "Sum": 30.0, "Minimum": 10.0, "Maximum": 20.0}
    given.client.put_metric_data(
        Namespace="n",
        MetricData=[
            {"MetricName": "m", "Value": 1.0},
            {"MetricName": "m", "Values": [2.0, 4.0], "Counts": [3.0, 1.0]},
            {"MetricName": "m", "StatisticValues": statistics},
        ],
    )

    (point,) = read(given, "Sum", "Average", "Minimum", "Maximum", "SampleCount")

    found = [point[name] for name in ("Sum", "Average", "Minimum", "Maximum", "SampleCount")]
    assert found == [41.0, 41 / 7, 1.0, 20.0, 7.0]
    assert read(given, "p50") == []  # a statistic set hides its values


# fmt: off
STATISTICS = [
    # of 1 to 100
    ("p50", 50.0), ("p99", 99.0), ("p99.9", 100.0), ("p0", 1.0), ("p100", 100.0),
    ("tm90", 45.5), ("tm(10%:90%)", 50.5), ("TM(20:30)", 25.5), ("IQM", 50.5),
    ("wm98", 50.47), ("tc90", 90.0), ("TC(10:20)", 10.0), ("ts90", 4095.0), ("TS(80%:)", 1810.0), ("PR(:50)", 50.0),
]
# fmt: on


@pytest.mark.parametrize(("name", "expected"), STATISTICS)
def test_statistics_of_the_numbers_from_1_to_100(name: str, expected: float) -> None:
    assert statistic(name)(Samples.of(HUNDRED)) == pytest.approx(expected)


def test_a_percentile_of_very_many_values_is_within_half_a_percent() -> None:
    values = [1.07**index for index in range(1, 300)] + [float(value) for value in range(1, 20_000, 7)]
    samples = Samples.of(values)

    exact = sorted(values)[int(0.95 * len(values))]

    assert len(samples.values or {}) < 2000
    assert statistic("p95")(samples) == pytest.approx(exact, rel=0.006)


def test_units_are_kept_apart(given: Given) -> None:
    for value, unit in ((1.0, "Seconds"), (2.0, "Count")):
        given.client.put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": value, "Unit": unit}])

    assert sorted((point["Unit"], point["Sum"]) for point in read(given, "Sum")) == [("Count", 2.0), ("Seconds", 1.0)]
    assert [point["Sum"] for point in read(given, "Sum", Unit="Count")] == [2.0]


def test_seconds_are_kept_where_they_are_asked_for(given: Given) -> None:
    for second in range(3):
        given.client.put_metric_data(
            Namespace="n",
            MetricData=[
                {"MetricName": name, "Value": 1.0, "StorageResolution": resolution}
                for name, resolution in (("fine", 1), ("m", 60))
            ],
        )
        given.clock.advance(1)
        assert len(read(given, "Sum", name="fine", Period=1, minutes=1)) == second + 1

    assert [point["Sum"] for point in read(given, "Sum")] == [3.0]
    assert read(given, "Sum", Period=1, minutes=1) == []


# fmt: off
REFUSED = [
    # datum                                                     code                          what it says
    ({"Timestamp": START - timedelta(days=14, seconds=1)},      "InvalidParameterValue",      "two weeks in the past"),
    ({"Timestamp": START + timedelta(hours=2, seconds=1)},      "InvalidParameterValue",      "two hours in the future"),
    ({"Value": None},                                           "MissingParameter",           "MetricData.member.1.Value"),
    ({"Value": float("nan")},                                   "InvalidParameterValue",      "nan"),
    ({"Value": 1e200},                                          "InvalidParameterValue",      "-2^360 to 2^360"),
    ({"Values": [1.0]},                                         "InvalidParameterCombination", "mutually exclusive"),
    ({"Value": None, "Values": [1.0], "Counts": [1.0, 2.0]},    "InvalidParameterValue",      "the same size"),
    ({"Value": None, "Values": [1.0] * 151},                    "InvalidParameterValue",      "1 to 150 values"),
    ({"Unit": "Furlongs"},                                      "InvalidParameterValue",      "Unit"),
    ({"StorageResolution": 5},                                  "InvalidParameterValue",      "1 or 60"),
    ({"Dimensions": [{"Name": str(i), "Value": "v"} for i in range(31)]}, "InvalidParameterValue", "30"),
    ({"Dimensions": [{"Name": "é", "Value": "v"}]},             "InvalidParameterValue",      "ASCII"),
]
# fmt: on


@pytest.mark.parametrize(("datum", "code", "words"), REFUSED)
def test_data_that_cloudwatch_would_not_take_are_refused(
    given: Given, datum: dict[str, Any], code: str, words: str
) -> None:
    full = {name: value for name, value in {"MetricName": "m", "Value": 1.0, **datum}.items() if value is not None}

    with pytest.raises(ClientError) as caught:
        given.client.put_metric_data(Namespace="n", MetricData=[full])

    assert caught.value.response["Error"]["Code"] == code
    assert words in caught.value.response["Error"]["Message"]
    assert given.client.list_metrics()["Metrics"] == []


def test_the_namespaces_of_aws_are_its_own(given: Given) -> None:
    with pytest.raises(ClientError, match="AWS/ for parameter Namespace is invalid"):
        given.client.put_metric_data(Namespace="AWS/Lambda", MetricData=[{"MetricName": "m", "Value": 1.0}])


def test_too_many_datapoints_are_refused(given: Given) -> None:
    with pytest.raises(ClientError, match="requested up to 1,441 datapoints, which exceeds the limit of 1,440"):
        read(given, "Sum", minutes=1441)


def test_metrics_are_listed_by_what_they_are_and_when_they_had_data(given: Given) -> None:
    given.put(1.0, name="old", field="a")
    given.pass_time(4 * 3600)
    given.put(1.0, name="new", field="a")

    def listed(**asked: Any) -> list[str]:
        return [metric["MetricName"] for metric in given.client.list_metrics(**asked)["Metrics"]]

    assert listed() == ["new", "old"]
    assert listed(RecentlyActive="PT3H") == ["new"]
    assert listed(Dimensions=[{"Name": "field"}], MetricName="old") == ["old"]
    assert listed(Dimensions=[{"Name": "field", "Value": "b"}]) == []
    given.pass_time(15 * 86_400)
    assert listed() == []


def test_a_long_list_comes_in_pages(given: Given) -> None:
    for index in range(501):
        given.put(1.0, name=f"m{index:03}")

    pages = list(given.client.get_paginator("list_metrics").paginate())

    assert [len(page["Metrics"]) for page in pages] == [500, 1]


def test_many_datapoints_come_in_pages(given: Given) -> None:
    for _ in range(5):
        given.put(1.0)
        given.clock.advance(60)
    stat = {"Metric": {"Namespace": "n", "MetricName": "m"}, "Stat": "Sum", "Period": 60}
    queries = [{"Id": "a", "MetricStat": stat}, {"Id": "b", "MetricStat": stat}]

    pages = given.client.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, StartTime=START, EndTime=START + timedelta(minutes=5), MaxDatapoints=4
    )
    found = [(result["Id"], len(result["Values"])) for page in pages for result in page["MetricDataResults"]]

    assert found == [("a", 4), ("a", 1), ("b", 3), ("b", 2)]


def test_what_was_put_is_there_after_a_kill(tmp_path: Path) -> None:
    before = Given(tmp_path)
    before.put(1.0)
    before.put(2.0)
    before.cloudwatch.flush()
    before.put(4.0, name="late")
    before.killed()

    with given_cloudwatch(tmp_path) as after:
        after.put(8.0)

        assert [point["Sum"] for point in read(after, "Sum")] == [11.0]
        assert read(after, "Sum", name="late") == []  # not flushed: the last half second


def test_memory_holds_the_newest_periods_only(given: Given) -> None:
    metric = Metric.of("n", "m")
    for minute in range(10_000):
        given.cloudwatch.metrics.put(metric, START.timestamp() + minute * 60, Samples.of([1.0]))
    given.cloudwatch.flush()

    (series,) = given.cloudwatch.metrics._series[metric]
    found = given.cloudwatch.metrics.periods(
        metric, start=START.timestamp(), end=START.timestamp() + 600_000, period=600_000
    )

    assert len(series._periods) <= 4096
    assert [samples.sum for samples in found.values()] == [10_000.0]


# fmt: off
RETENTION = [
    # days   finest period that is left, in seconds
    (14,     60),
    (16,     300),
    (62,     300),
    (64,     3600),
    (454,    3600),
    (456,    None),
]
# fmt: on


@pytest.mark.parametrize(("days", "finest"), RETENTION)
def test_old_data_are_kept_more_coarsely(given: Given, days: int, finest: int | None) -> None:
    """cloudwatch_concepts.html: 60 seconds for 15 days, 5 minutes for 63 days, 1 hour for 455 days."""
    for _ in range(10):
        given.put(1.0)
        given.clock.advance(60)

    for _ in range(days):
        given.pass_time(86_400)

    start, end = START.timestamp(), START.timestamp() + 3600
    sums = {
        period: sum(
            samples.sum
            for samples in given.cloudwatch.metrics.periods(
                Metric.of("n", "m"), start=start, end=end, period=period
            ).values()
        )
        for period in (60, 300, 3600)
    }
    assert sums == {period: 10.0 if finest is not None and period >= finest else 0.0 for period in (60, 300, 3600)}
