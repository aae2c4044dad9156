"""A cloud for the console page that answers from memory, with a dashboard of every kind of widget."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.clock import ManualClock
from local.console.server import Console, ConsoleServer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
ALARM_ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:flyball-payments-drift"
HOSTILE = "<img src=x onerror=\"document.title='taken'\">"

BODY = {
    "widgets": [
        {
            "type": "text",
            "x": 0,
            "y": 0,
            "width": 24,
            "height": 2,
            "properties": {"markdown": f"# Is it up?\n{HOSTILE}"},
        },
        {
            "type": "alarm",
            "x": 0,
            "y": 2,
            "width": 24,
            "height": 2,
            "properties": {"title": "Who is told", "alarms": [ALARM_ARN]},
        },
        {
            "type": "metric",
            "x": 0,
            "y": 4,
            "width": 12,
            "height": 6,
            "properties": {
                "title": "Evidence of drift",
                "view": "timeSeries",
                "metrics": [
                    ["Flyball", "DriftEvidence", "service", "payments", {"stat": "Maximum", "label": "evidence"}]
                ],
                "annotations": {"horizontal": [{"value": 3, "label": "called"}]},
            },
        },
        {
            "type": "metric",
            "x": 12,
            "y": 4,
            "width": 12,
            "height": 6,
            "properties": {
                "title": "Rows",
                "view": "singleValue",
                "metrics": [["Flyball", "WindowRows", "service", "payments"]],
            },
        },
        {"type": "explorer", "x": 0, "y": 10, "width": 24, "height": 3, "properties": {"title": "Explored"}},
        {
            "type": "log",
            "x": 0,
            "y": 13,
            "width": 24,
            "height": 4,
            "properties": {"title": "Refused", "query": "SOURCE 'gateway' | fields reason"},
        },
    ]
}
REPORT = b"<!doctype html><h1>The inputs have changed: amount</h1><script>document.title='ran'</script>"


class Page:
    """A paginator whose one page is what the operation answers."""

    def __init__(self, operation: Any) -> None:
        self._operation = operation

    def paginate(self, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        yield self._operation(**arguments)


class Client:
    """Whatever services the page asks, in one."""

    def __init__(self) -> None:
        self.queries: list[Mapping[str, Any]] = []
        self.has_report = True

    def get_paginator(self, operation: str) -> Page:
        return Page(getattr(self, operation))

    def describe_stacks(self) -> dict[str, Any]:
        def outputs(**values: str) -> dict[str, Any]:
            return {"StackName": "any", "Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in values.items()]}

        package = outputs(
            Package="payments", EndpointName="flyball-payments", GatewayFunction="flyball-payments-gateway"
        )
        return {"Stacks": [outputs(CapturesBucket="captures"), package]}

    def list_dashboards(self) -> dict[str, Any]:
        return {"DashboardEntries": [{"DashboardName": "flyball-payments"}]}

    def get_dashboard(self, *, DashboardName: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        if DashboardName != "flyball-payments":
            raise refusal("ResourceNotFound", "GetDashboard")
        return {"DashboardBody": json.dumps(BODY)}

    def get_metric_data(self, **arguments: Any) -> dict[str, Any]:
        self.queries += arguments["MetricDataQueries"]
        times = [NOW - timedelta(minutes=minutes) for minutes in (50, 35, 20, 5)]
        return {
            "MetricDataResults": [
                {
                    "Id": query["Id"],
                    "Label": query.get("Label", "WindowRows"),
                    "Timestamps": times,
                    "Values": [0.0, 0.4, 2.0, 4.5],
                }
                for query in arguments["MetricDataQueries"]
            ]
        }

    def describe_alarms(self, **_arguments: Any) -> dict[str, Any]:
        alarm = {
            "AlarmName": "flyball-payments-drift",
            "StateValue": "ALARM",
            "StateUpdatedTimestamp": NOW,
            "StateReason": "Threshold Crossed: 4.5 was greater than 3",
            "AlarmDescription": "what goes into the model has changed",
            "MetricName": "DriftEvidence",
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "Threshold": 3.0,
        }
        quiet = {**alarm, "AlarmName": "flyball-payments-latency", "StateValue": "OK"}
        pager = {
            "AlarmName": "flyball-payments-page",
            "StateValue": "OK",
            "StateUpdatedTimestamp": NOW,
            "AlarmRule": "ALARM(a) OR ALARM(b)",
        }
        return {"MetricAlarms": [quiet, alarm], "CompositeAlarms": [pager]}

    def describe_alarm_history(self, **_arguments: Any) -> dict[str, Any]:
        data = {"newState": {"stateValue": "ALARM", "stateReason": "4.5 was greater than 3"}}
        update = {
            "Timestamp": NOW,
            "HistoryItemType": "StateUpdate",
            "HistorySummary": "Alarm updated from OK to ALARM",
            "HistoryData": json.dumps(data),
        }
        made = {**update, "HistoryItemType": "ConfigurationUpdate", "HistorySummary": 'Alarm "x" created'}
        return {"AlarmHistoryItems": [update, made]}

    def describe_endpoint(self, **_arguments: Any) -> dict[str, Any]:
        return {"EndpointStatus": "InService", "EndpointConfigName": "config-1", "LastModifiedTime": NOW}

    def describe_endpoint_config(self, **_arguments: Any) -> dict[str, Any]:
        return {"ProductionVariants": [{"ModelName": "model-1"}]}

    def describe_model(self, **_arguments: Any) -> dict[str, Any]:
        return {"PrimaryContainer": {"Environment": {"FLYBALL_MODEL_VERSION": "initial-cd17db0b1280"}}}

    def get_function_configuration(self, **_arguments: Any) -> dict[str, Any]:
        return {"LoggingConfig": {"LogGroup": "gateway"}}

    def filter_log_events(self, **_arguments: Any) -> dict[str, Any]:
        line = {
            "message": "refused",
            "status": 422,
            "reason": "invalid-request",
            "fields": ["/amount: less_than_equal"],
        }
        messages = [json.dumps(line), "REPORT RequestId: refused", json.dumps({"message": "answered"})]
        stamp = int(NOW.timestamp() * 1000)
        return {"events": [{"timestamp": stamp + i, "message": message} for i, message in enumerate(messages)]}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - AWS's names
        objects = {
            "monitor/flyball-payments/latest.json": json.dumps({"window": "000007"}).encode(),
            "monitor/flyball-payments/windows/000007/report.html": REPORT,
        }
        if Bucket != "captures" or Key not in objects or not self.has_report:
            raise refusal("NoSuchKey", "GetObject")
        return {"Body": io.BytesIO(objects[Key])}


def refusal(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"there is no such thing ({code})"}}, operation)


@contextmanager
def serving(client: Client) -> Iterator[str]:
    """The page's server in a thread of its own; its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ConsoleServer(Console(lambda _service: client, ManualClock(NOW)), node_modules=ROOT / "node_modules")
    try:
        yield asyncio.run_coroutine_threadsafe(server.start(port=0), loop).result(10)
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
