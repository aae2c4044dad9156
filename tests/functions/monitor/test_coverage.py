"""Coverage compares captured records with answered requests, over whole hours that are long enough ago."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from functions.gateway.metrics import Metric
from functions.monitor.coverage import (
    Coverage,
    answered_between,
    captured_between,
    complete_until,
    counted_between,
)
from model_packages.profile.baseline import Baseline
from tests.functions.monitor.cloud import Cloud
from tests.functions.monitor.flowers import NOON
from tests.functions.monitor.runs import capture, cloud_with, event_at, monitor_on

HOUR = timedelta(hours=1)


def test_answered_are_the_requests_that_neither_the_gateway_nor_the_model_refused() -> None:
    cloud = Cloud(
        sums={
            "Requests": {NOON - HOUR: 1000.0, NOON: 100.0, NOON + HOUR: 50.0, NOON + 2 * HOUR: 1000.0},
            "RejectedRequests": {NOON: 20.0},
            "ModelErrors": {NOON + HOUR: 5.0},
            "InternalErrors": {NOON: 1.0},
        }
    )

    answered = answered_between(cloud.client(), package="flowers", begin=NOON, end=NOON + 2 * HOUR)

    assert answered == 124


class TwoPages:
    """Answers as CloudWatch does where it has more to say; knows what it was asked by which token."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []

    def get_metric_data(self, **arguments: Any) -> Any:
        token = arguments.get("NextToken")
        self.asked.append(token)
        first, second = (query["Id"] for query in arguments["MetricDataQueries"])
        if token is None:
            return {"MetricDataResults": [{"Id": first, "Values": [1.0, 2.0]}], "NextToken": "second"}
        return {"MetricDataResults": [{"Id": second, "Values": [10.0]}, {"Id": first, "Values": [4.0]}]}


def test_what_was_counted_is_added_up_over_all_pages() -> None:
    source = TwoPages()

    found = counted_between(
        source, (Metric.REQUESTS, Metric.LABELS), package="flowers", begin=NOON, end=NOON + 2 * HOUR
    )

    assert found == (7.0, 10.0)
    assert source.asked == [None, "second"]


def test_an_hour_is_complete_half_an_hour_after_its_end() -> None:
    assert complete_until(NOON + timedelta(minutes=29)) == NOON - HOUR
    assert complete_until(NOON + timedelta(minutes=30)) == NOON


def test_captured_records_are_those_of_the_same_hours() -> None:
    by_hour = {"2026/02/14/11": 1, "2026/02/14/12": 20, "2026/02/14/13": 300, "2026/02/14/14": 4000}

    assert captured_between(by_hour, begin=NOON, end=NOON + 2 * HOUR) == 320


@pytest.mark.parametrize(
    ("answered", "captured", "share", "value"),
    [
        (200, 200, 1.0, 1.0),
        (200, 150, 1.0, 0.75),
        (200, 0, 1.0, 0.0),
        (0, 0, 1.0, None),
        (0, 7, 1.0, None),
        (100, 120, 1.0, 1.2),  # some came past the gateway
        (10_000, 970, 0.1, 1.0),  # 1,000 expected, and a deviation of 30
        (10_000, 900, 0.1, 0.96),
        (10_000, 0, 0.1, 0.06),
    ],
)
def test_the_share_allows_for_the_chance_of_sampling(
    answered: int, captured: int, share: float, value: float | None
) -> None:
    found = Coverage(answered=answered, captured=captured, captured_share=share).value

    assert found == (None if value is None else pytest.approx(value, abs=1e-9))


def test_each_hour_is_judged_once_and_when_it_is_complete(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    monitor_on(cloud).handle(event_at(NOON))
    cloud.sums = {"Requests": {NOON: 50.0, NOON + HOUR: 40.0}}
    capture(cloud, 40, time=NOON, seed=1)
    capture(cloud, 40, time=NOON + HOUR, seed=2)

    for hours in (1, 2, 3):
        monitor_on(cloud).handle(event_at(NOON + hours * HOUR))

    assert cloud.values_of("CaptureCoverage") == [40 / 50, 40 / 40]


def test_an_endpoint_whose_capture_has_stopped_has_a_coverage_of_nothing(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    monitor_on(cloud).handle(event_at(NOON))
    cloud.sums = {"Requests": {NOON: 50.0}}

    monitor_on(cloud).handle(event_at(NOON + 2 * HOUR))

    assert cloud.values_of("CaptureCoverage") == [0.0]


def test_what_came_twice_or_cannot_be_read_is_captured_all_the_same(baseline: Baseline) -> None:
    cloud = cloud_with(baseline)
    monitor_on(cloud).handle(event_at(NOON))
    cloud.sums = {"Requests": {NOON: 50.0}}
    capture(cloud, 40, time=NOON, name="a.jsonl", seed=1)
    capture(cloud, 40, time=NOON, name="b.jsonl", seed=1)
    cloud.put(next(key for key in cloud.objects if "a.jsonl" in key).replace("a.jsonl", "c.jsonl"), b"{}\n" * 10)

    monitor_on(cloud).handle(event_at(NOON + 2 * HOUR))

    assert cloud.values_of("CaptureCoverage") == [1.0]
