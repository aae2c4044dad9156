"""Tells EventBridge and CloudWatch how executions fare: `Step Functions Execution Status Change`, and AWS/States.

https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Protocol

from local.services.cloudwatch.metric import Metric
from local.services.cloudwatch.samples import Samples
from local.services.events.event import Event
from local.services.states.execution import Execution, Status
from local.services.states.executions import Observer

SOURCE: Final = "aws.states"
DETAIL_TYPE: Final = "Step Functions Execution Status Change"
LARGEST_BYTES: Final = 248 * 1024
NAMESPACE: Final = "AWS/States"
METRICS: Final = {
    Status.SUCCEEDED: "ExecutionsSucceeded",
    Status.FAILED: "ExecutionsFailed",
    Status.TIMED_OUT: "ExecutionsTimedOut",
    Status.ABORTED: "ExecutionsAborted",
}


class PutMetric(Protocol):
    """Takes samples of a metric, as of now."""

    def __call__(self, metric: Metric, samples: Samples, *, unit: str = "None") -> None: ...


def event_teller(put_event: Callable[[Event], None], now: Callable[[], datetime]) -> Observer:
    """Tells EventBridge of each change of status."""
    return lambda execution: put_event(status_event(execution, now=now()))


def status_event(execution: Execution, *, now: datetime) -> Event:
    """An execution's status as an event; data that is too large for one is left out."""
    size = len((execution.input + (execution.output or "")).encode())
    has_data = size <= LARGEST_BYTES
    details = {"included": has_data}
    return Event(
        source=SOURCE,
        detail_type=DETAIL_TYPE,
        time=now,
        resources=(execution.arn,),
        detail={
            "executionArn": execution.arn,
            "stateMachineArn": execution.machine_arn,
            "stateMachineVersionArn": None,
            "stateMachineAliasArn": None,
            "name": execution.name,
            "status": execution.status.value,
            "startDate": _milliseconds(execution.started),
            "stopDate": None if execution.stopped is None else _milliseconds(execution.stopped),
            "input": execution.input if has_data else None,
            "inputDetails": details,
            "output": execution.output if has_data else None,
            "outputDetails": None if execution.output is None else details,
            "error": execution.error,
            "cause": execution.cause,
            "redriveCount": 0,
            "redriveDate": None,
            "redriveStatus": "NOT_REDRIVABLE",
            "redriveStatusReason": f"Execution is {execution.status} and cannot be redriven",
        },
    )


def metric_teller(put: PutMetric) -> Observer:
    """Counts executions, and how long they took on the cloud's time."""

    def tell(execution: Execution) -> None:
        where: dict[str, Any] = {"StateMachineArn": execution.machine_arn}
        name = METRICS.get(execution.status, "ExecutionsStarted")
        put(Metric.of(NAMESPACE, name, where), Samples.of([1.0]), unit="Count")
        if execution.stopped is not None:
            took = _milliseconds(execution.stopped) - _milliseconds(execution.started)
            put(Metric.of(NAMESPACE, "ExecutionTime", where), Samples.of([float(took)]), unit="Milliseconds")

    return tell


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)
