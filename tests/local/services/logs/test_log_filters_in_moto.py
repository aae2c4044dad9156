"""Metric filters and FilterLogEvents as callers see them, and log lines as CloudWatch gets to see them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from local.moto_hooks import CloudHooks, install
from local.services.lambda_function import Invocation, InvocationType
from local.services.logs.moto_filters import moto_metric_filters

LINES = 5000


def no_function(arn: str, _payload: bytes, _kind: InvocationType) -> Invocation:
    raise AssertionError(f"nobody calls {arn}")


@pytest.fixture
def taken() -> list[tuple[str, Sequence[Mapping[str, Any]]]]:
    return []


@pytest.fixture
def logs(taken: list[tuple[str, Sequence[Mapping[str, Any]]]]) -> Iterator[Any]:
    with mock_aws():
        uninstall = install(
            CloudHooks(invoke_lambda=no_function, log_lines=lambda group, events: taken.append((group, events)))
        )
        client = boto3.client("logs", region_name="us-east-1", aws_access_key_id="local", aws_secret_access_key="local")
        client.create_log_group(logGroupName="/g")
        client.create_log_stream(logGroupName="/g", logStreamName="s")
        yield client
        uninstall()


def put(client: Any, *messages: str, at_ms: int) -> None:
    events = [{"timestamp": at_ms + index, "message": message} for index, message in enumerate(messages)]
    client.put_log_events(logGroupName="/g", logStreamName="s", logEvents=events)


def test_lines_are_told_to_who_observes_them(logs: Any, taken: list[Any]) -> None:
    put(logs, "one", "two", at_ms=int(time.time() * 1000))

    assert [(group, [event["message"] for event in events]) for group, events in taken] == [("/g", ["one", "two"])]


def test_events_are_filtered_by_any_pattern_and_time(logs: Any) -> None:
    now = int(time.time() * 1000)
    put(logs, '{"status": 200}', '{"status": 500}', "ERROR plain", '{"status": 503}', at_ms=now)

    def found(**asked: Any) -> list[str]:
        events = logs.filter_log_events(logGroupName="/g", **asked)["events"]
        return [event["message"] for event in events]

    assert found(filterPattern="{ $.status >= 500 }") == ['{"status": 500}', '{"status": 503}']
    assert found(filterPattern="{ $.status >= 500 }", endTime=now + 2) == ['{"status": 500}']
    assert found(filterPattern="?ERROR ?503", startTime=now + 3) == ['{"status": 503}']
    with pytest.raises(ClientError, match="Invalid filter pattern") as caught:
        found(filterPattern="{ $.status = }")
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"


def test_a_term_is_found_quickly_among_thousands_of_lines(logs: Any) -> None:
    now = int(time.time() * 1000)
    put(
        logs,
        *(json.dumps({"message": "RefusedField" if index % 100 == 0 else "x"}) for index in range(LINES)),
        at_ms=now,
    )
    asked = {"logGroupName": "/g", "filterPattern": "RefusedField", "startTime": now, "endTime": now + LINES}
    logs.filter_log_events(**asked)

    begun = time.perf_counter()
    events = logs.filter_log_events(**asked)["events"]

    assert len(events) == LINES / 100
    assert time.perf_counter() - begun < 0.5


def test_a_filter_of_the_same_name_replaces_the_former_one(logs: Any) -> None:
    metric = [{"metricName": "m", "metricNamespace": "n", "metricValue": "1"}]
    for pattern in ("ERROR", "WARN"):
        logs.put_metric_filter(logGroupName="/g", filterName="f", filterPattern=pattern, metricTransformations=metric)

    (found,) = logs.describe_metric_filters(logGroupName="/g")["metricFilters"]
    filters_of = moto_metric_filters(account="123456789012", region="us-east-1")

    assert found["filterPattern"] == "WARN"
    assert [each.pattern("WARN") is not None for each in filters_of("/g")] == [True]
    assert list(filters_of("/other")) == []
    with pytest.raises(ClientError, match="metricValue"):
        logs.put_metric_filter(
            logGroupName="/g",
            filterName="f",
            filterPattern="WARN",
            metricTransformations=[{**metric[0], "metricValue": "many"}],
        )
