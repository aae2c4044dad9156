"""Metric math and SEARCH: what expressions give, and what is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.services.cloudwatch.given import START, Given, given_cloudwatch

STATS = [
    {"Id": name, "MetricStat": {"Metric": {"Namespace": "n", "MetricName": name}, "Stat": "Sum", "Period": 60}}
    for name in ("a", "b")
]


@pytest.fixture
def given(tmp_path: Path) -> Iterator[Given]:
    """`a` is 0 1 2 3 4 minute by minute, `b` is 0 1 - 3 4."""
    with given_cloudwatch(tmp_path) as opened:
        for minute in range(5):
            opened.put(float(minute), name="a")
            if minute != 2:
                opened.put(float(minute), name="b")
            opened.clock.advance(60)
        yield opened


def computed(given: Given, expression: str, **more: Any) -> list[dict[str, Any]]:
    queries = [*({**stat, "ReturnData": False} for stat in STATS), {"Id": "e", "Expression": expression, **more}]
    found: list[dict[str, Any]] = given.client.get_metric_data(
        MetricDataQueries=queries,
        StartTime=START,
        EndTime=START + timedelta(minutes=5),
        ScanBy="TimestampAscending",
    )["MetricDataResults"]
    return found


def by_minute(result: dict[str, Any]) -> str:
    found = zip(result["Timestamps"], result["Values"], strict=True)
    values = {int((at - START).total_seconds() // 60): value for at, value in found}
    return " ".join(f"{values[minute]:g}" if minute in values else "-" for minute in range(5))


# fmt: off
EXPRESSIONS = [
    # expression                        minute by minute
    ("a + b",                           "0 2 - 6 8"),
    ("10 * a - 1",                      "-1 9 19 29 39"),
    ("100 * b / a",                     "- 100 - 100 100"),
    ("a ^ 2",                           "0 1 4 9 16"),
    ("-a ^ 2",                          "0 -1 -4 -9 -16"),
    ("2 - 3 - 4 + a",                   "-5 -4 -3 -2 -1"),
    ("a > 2",                           "0 0 0 1 1"),
    ("a >= 2 AND a != 4",               "0 0 1 1 0"),
    ("a < 1 || a == 4",                 "1 0 0 0 1"),
    ("IF(a > 2, 7, b)",                 "0 1 - 7 7"),
    ("IF(a > 2, a)",                    "- - - 3 4"),
    ("FILL(b, 9)",                      "0 1 9 3 4"),
    ("FILL(b, REPEAT)",                 "0 1 1 3 4"),
    ("FILL(b, LINEAR)",                 "0 1 2 3 4"),
    ("ABS(a - 2)",                      "2 1 0 1 2"),
    ("CEIL(a / 3)",                     "0 1 1 1 2"),
    ("FLOOR(a / 3)",                    "0 0 0 1 1"),
    ("LOG10(a * 10)",                   "- 1 1.30103 1.47712 1.60206"),
    ("SUM(METRICS())",                  "0 2 2 6 8"),
    ("AVG([a, b, TIME_SERIES(6)])",     "2 2.66667 4 4 4.66667"),
    ("MAX([a, b])",                     "0 1 2 3 4"),
    ("MIN([a + 1, b])",                 "0 1 3 3 4"),
    ("a / SUM(a)",                      "0 0.1 0.2 0.3 0.4"),
    ("a - MIN(a) + MAX(b)",             "4 5 6 7 8"),
    ("RUNNING_SUM(a)",                  "0 1 3 6 10"),
    ("DIFF(b)",                         "- 1 - 2 1"),
    ("RATE(b) * PERIOD(b)",             "- 1 - 1 1"),
    ("TIME_SERIES(3)",                  "3 3 3 3 3"),
    ("FIRST([b, a]) + LAST([b, a])",    "0 2 - 6 8"),
    ("SORT([a, a * 2], AVG, DESC, 1)",  "0 2 4 6 8"),
    ("MINUTE(a) + HOUR(a)",             "12 13 14 15 16"),
    ("DATAPOINT_COUNT([a, b])",         "2 2 1 2 2"),
]
# fmt: on


@pytest.mark.parametrize(("expression", "expected"), EXPRESSIONS)
def test_an_expression_gives_its_values(given: Given, expression: str, expected: str) -> None:
    (result,) = computed(given, expression)

    assert by_minute(result) == expected


def test_an_array_gives_a_result_a_member(given: Given) -> None:
    results = computed(given, "METRICS() * 2")

    assert [(result["Id"], result["Label"], by_minute(result)) for result in results] == [
        ("e", "a", "0 2 4 6 8"),
        ("e", "b", "0 2 - 6 8"),
    ]


# fmt: off
REFUSED = [
    # expression                             what it says
    ("a +",                                  "its end' where a value is expected"),
    ("(a",                                   "where '\\)' is expected"),
    ("a b",                                  "found 'b' after the end of it"),
    ("c * 2",                                "Undefined variable c"),
    ("FOO(a)",                               "Unknown function FOO"),
    ("e + 1",                                "refer to each other in a circle"),
    ("SUM(a)",                               "gives a number"),
    ("ANOMALY_DETECTION_BAND(a, 2)",         "has no function ANOMALY_DETECTION_BAND"),
    ("SELECT AVG(x) FROM n",                 "has no Metrics Insights queries"),
]
# fmt: on


@pytest.mark.parametrize(("expression", "words"), REFUSED)
def test_what_is_no_expression_is_refused(given: Given, expression: str, words: str) -> None:
    with pytest.raises(ClientError, match=words):
        computed(given, expression)


def test_what_cloudwatch_has_and_this_one_has_not_is_refused_as_not_implemented(given: Given) -> None:
    with pytest.raises(ClientError) as caught:
        computed(given, "ANOMALY_DETECTION_BAND(a, 2)")

    assert caught.value.response["Error"]["Code"] == "NotImplementedByLocalCloud"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


# fmt: off
SEARCHES = [
    # term                                                            labels
    ('{n,service,field} MetricName="FieldChange"',                    ["price d", "rooms d", "rooms other"]),
    ('{n,service,field} MetricName="FieldChange" service="d"',        ["price", "rooms"]),
    ('{n,field,service} FieldChange service="d" NOT field="rooms"',   ["FieldChange"]),
    ('{n,service} MetricName="FieldChange"',                          []),
    ('{n,service,field} change AND (field="price" OR other)',         ["price d", "rooms other"]),
    ('Namespace="n" MetricName="a"',                                  ["a"]),
]
# fmt: on


@pytest.mark.parametrize(("term", "labels"), SEARCHES)
def test_a_search_finds_metrics_by_schema_and_terms(given: Given, term: str, labels: list[str]) -> None:
    for service, field in (("d", "price"), ("d", "rooms"), ("other", "rooms")):
        given.put(1.0, name="FieldChange", service=service, field=field)
    given.clock.advance(60)

    found = given.client.get_metric_data(
        MetricDataQueries=[{"Id": "s", "Expression": f"SEARCH('{term}', 'Maximum', 60)"}],
        StartTime=START,
        EndTime=given.clock.now(),
    )["MetricDataResults"]

    assert [result["Label"] for result in found] == labels


def test_a_label_may_tell_values_and_properties(given: Given) -> None:
    (result,) = computed(given, "a * 2", Label="up to ${MAX}, last ${LAST}")
    query = {**STATS[0], "Label": "${PROP('MetricName')} ${PROP('Stat')}"}

    named = given.client.get_metric_data(
        MetricDataQueries=[query], StartTime=START, EndTime=START + timedelta(minutes=5)
    )["MetricDataResults"][0]

    assert result["Label"] == "up to 8, last 8"
    assert named["Label"] == "a Sum"
