"""A CloudWatch with a clock that stands still, reached by real botocore clients in each protocol, without a port."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from local.api_calls import ApiCall, ApiRequest, identify
from local.api_errors import ApiRefusal, refused
from local.clock import ManualClock
from local.services.cloudwatch.actions import Reach
from local.services.cloudwatch.cloudwatch import CloudWatch
from local.services.cloudwatch.metric import Metric
from local.services.cloudwatch.samples import Samples
from local.state.store import StateStore

ACCOUNT, REGION = "123456789012", "us-east-1"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ENDPOINT = "http://127.0.0.1:9"


@dataclass
class Sent:
    """What alarms have brought about, in order: topics and functions by ARN, with what they got."""

    messages: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    events: list[Mapping[str, Any]] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=set)
    asked: list[tuple[str, str, str, str]] = field(default_factory=list)

    def client(self, _service: str) -> Sent:
        return self

    def publish(self, **arguments: Any) -> None:
        self.messages.append((arguments["TopicArn"], arguments))

    def invoke(self, **arguments: Any) -> None:
        self.messages.append((arguments["FunctionName"], arguments))

    def may_call(self, service: str, action: str, resource: str, *, source_arn: str) -> bool:
        self.asked.append((service, action, resource, source_arn))
        return resource not in self.forbidden


class Given:
    """One life of a CloudWatch, whose state lies in a folder."""

    def __init__(self, folder: Path, *, start: datetime = START) -> None:
        self.folder, self.sent = folder, Sent()
        self.clock = ManualClock(start)
        self.store = StateStore(folder)
        self.cloudwatch = CloudWatch(
            self.store,
            clock=self.clock,
            account=ACCOUNT,
            region=REGION,
            reach=Reach(self.sent.client, self.sent.may_call, lambda _topic: None, self.sent.events.append),
        )
        self.cloudwatch.evaluate(self.clock.now())
        self.client = self.speaking("json")

    def speaking(self, protocol: str) -> Any:
        """A client of one protocol."""
        client = _client(protocol)
        client.meta.events.register("before-send.*.*", self._answer)
        return client

    def pass_time(self, seconds: float) -> None:
        """Lets the time pass in one go, and evaluates what was due."""
        self.clock.advance(seconds)
        self.settle()

    def settle(self) -> None:
        """Evaluates up to now and carries every action out."""
        asyncio.run(self.cloudwatch.due(self.clock.now()))

    def put(self, value: float, *, name: str = "m", ago_seconds: float = 0.0, **dimensions: str) -> None:
        """One value of a metric of the namespace `n`."""
        metric = Metric.of("n", name, dimensions)
        self.cloudwatch.put(metric, Samples.of([value]), at=self.clock.now() - timedelta(seconds=ago_seconds))

    def alarm(self, name: str = "a", **settings: Any) -> None:
        """An alarm on the sum of `m` each minute being greater than 1."""
        defaults = {
            "MetricName": "m",
            "Namespace": "n",
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanThreshold",
        }
        if "Metrics" in settings:
            for own in ("MetricName", "Namespace", "Statistic", "Period"):
                defaults.pop(own)
        self.client.put_metric_alarm(AlarmName=name, **{**defaults, **settings})

    def state(self, name: str = "a") -> str:
        """An alarm's state."""
        return str(self.described(name)["StateValue"])

    def described(self, name: str = "a") -> dict[str, Any]:
        """An alarm."""
        found = self.client.describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        described: dict[str, Any] = (found["MetricAlarms"] + found["CompositeAlarms"])[0]
        return described

    def states(self, name: str = "a") -> list[tuple[str, str]]:
        """Every change of an alarm's state: when, and to what."""
        items = self.client.describe_alarm_history(
            AlarmName=name,
            HistoryItemType="StateUpdate",
            ScanBy="TimestampAscending",
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],
        )["AlarmHistoryItems"]
        return [(f"{item['Timestamp']:%H:%M:%S}", item["HistorySummary"].rpartition(" ")[2]) for item in items]

    def killed(self) -> None:
        """Ends as `kill -9` does."""
        self.cloudwatch.abandon()
        self.store.close()

    def _answer(self, request: AWSPreparedRequest, **_event: Any) -> AWSResponse:
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        body = request.body.encode() if isinstance(request.body, str) else bytes(request.body or b"")
        parts = urlsplit(request.url)
        asked = ApiRequest(str(request.method), parts.path or "/", {**headers, "host": parts.netloc}, body)
        call = identify(asked)
        assert isinstance(call, ApiCall)
        answer = self.cloudwatch.answer_blocking(call, asked)
        if isinstance(answer, ApiRefusal):
            answer = refused(answer, call.protocol, request_id="id")
        return _Response(request.url, answer.status, answer.headers, answer.body)


@contextmanager
def given_cloudwatch(folder: Path, *, start: datetime = START) -> Iterator[Given]:
    """A CloudWatch for the length of a block."""
    given = Given(folder, start=start)
    try:
        yield given
    finally:
        given.killed()


@cache
def _session(protocol: str) -> boto3.Session:
    """Whose clients of CloudWatch speak one protocol."""
    session = botocore.session.Session()
    loader = session.get_component("data_loader")
    original = loader.load_service_model

    def load_service_model(service: str, kind: str, api_version: str | None = None) -> Any:
        found = original(service, kind, api_version)
        if service == "cloudwatch" and kind == "service-2":
            return {**found, "metadata": {**found["metadata"], "protocol": protocol, "protocols": [protocol]}}
        return found

    loader.load_service_model = load_service_model
    return boto3.Session(botocore_session=session)


def _client(protocol: str) -> Any:
    return _session(protocol).client(
        "cloudwatch",
        region_name=REGION,
        endpoint_url=ENDPOINT,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )


class _Response(AWSResponse):  # type: ignore[misc]  # botocore is not typed
    """An answer that is here already."""

    def __init__(self, url: str, status: int, headers: Any, body: bytes) -> None:
        super().__init__(url, status, {name.lower(): value for name, value in headers.items()}, BytesIO(body))
        self._content = body


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
