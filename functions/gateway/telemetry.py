"""What is written about each request. No value of a payload is ever in it: fields are named, not quoted."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit, single_metric

from functions.gateway.metrics import REASON_DIMENSION, Metric
from functions.shared.problems import code_of
from model_packages.errors import (
    CallerError,
    ContractViolation,
    FieldProblem,
    ModelError,
    RefusedFields,
    StoreUnavailable,
)


class Operation(StrEnum):
    """What a request is for. A path that nothing is at counts as a prediction asked for."""

    PREDICT = "predict"
    FEEDBACK = "feedback"


@dataclass(slots=True)
class RequestRecord:
    """What is known about one request when it is over; filled in as it goes."""

    inference_id: str
    unix_ms: int | None = None
    """When API Gateway received it; None: now."""
    operation: Operation = Operation.PREDICT
    status: int = 0
    rows: int = 0
    """Of the request, or the labels that were stored."""
    model_ms: float | None = None
    overhead_ms: float = 0.0
    version: str | None = None
    variant: str | None = None
    error: Exception | None = None
    capture_error: StoreUnavailable | None = None
    """Why an answered request is not in the captures."""


class Telemetry(Protocol):
    """Where a finished request is reported."""

    def record(self, request: RequestRecord) -> None: ...


class CloudWatchTelemetry:
    """Standard output, which Lambda hands to CloudWatch.

    The request's one line is log and metrics at once: embedded metrics, with the facts beside them as properties. Two
    lines would say the same twice, cost twice, and take a quarter of the gateway's time. A failure that an operator
    has to look at is an error line of its own, with the cause.
    """

    def __init__(self, *, logger: Logger, metrics: Metrics) -> None:
        self._logger, self._metrics = logger, metrics

    def record(self, request: RequestRecord) -> None:
        # set_timestamp() would warn about the local cloud's months that pass in minutes; on AWS it is always now.
        self._metrics.provider.timestamp = request.unix_ms
        self._add_facts(request)
        self._add_metrics(request)
        self._metrics.flush_metrics()
        if request.error is not None:
            self._count_reason(request, request.error)
            self._log_failure("failed", request.error, request.inference_id)
        if request.capture_error is not None:
            self._log_failure("capture failed", request.capture_error, request.inference_id)

    def _add_facts(self, request: RequestRecord) -> None:
        add = self._metrics.add_metadata
        add("message", _MESSAGES[request.operation][request.error is not None])
        add("inference_id", request.inference_id)
        add("status", request.status)
        add("rows", request.rows)
        if request.version is not None:
            add("model_version", request.version)
            add("variant", request.variant)
        if request.error is not None:
            add("reason", code_of(request.error))
        if isinstance(request.error, CallerError) and request.model_ms is not None:
            add("refused_by", "container")
        if isinstance(request.error, RefusedFields):
            add("fields", _fields_of(request.error.problems))

    def _add_metrics(self, request: RequestRecord) -> None:
        add = self._metrics.add_metric
        if request.operation is Operation.PREDICT:
            add(Metric.REQUESTS, MetricUnit.Count, 1)
            add(Metric.GATEWAY_OVERHEAD, MetricUnit.Milliseconds, request.overhead_ms)
        else:
            add(Metric.LABELS, MetricUnit.Count, request.rows)
        if request.model_ms is not None:
            add(Metric.MODEL_LATENCY, MetricUnit.Milliseconds, request.model_ms)
        if request.capture_error is not None:
            add(Metric.CAPTURE_FAILURES, MetricUnit.Count, 1)
        if request.error is not None:
            add(_metric_of(request.error, request.operation), MetricUnit.Count, 1)

    def _log_failure(self, message: str, error: Exception, inference_id: str) -> None:
        if not isinstance(error, CallerError):
            self._logger.error(message, extra={"inference_id": inference_id, **_cause_of(error)})

    def _count_reason(self, request: RequestRecord, error: Exception) -> None:
        # A line of its own: a second dimension set on the request's line would multiply every metric of it.
        namespace, service = self._metrics.namespace, self._metrics.service
        metric = _metric_of(error, request.operation)
        with single_metric(metric, MetricUnit.Count, 1, namespace=namespace) as line:
            line.timestamp = request.unix_ms
            line.add_dimension("service", service)
            line.add_dimension(REASON_DIMENSION, code_of(error))


_MESSAGES = {
    Operation.PREDICT: ("answered", "refused"),
    Operation.FEEDBACK: ("labels stored", "labels refused"),
}
"""What the line says of a request that went well, and of another."""


def _metric_of(error: Exception, operation: Operation) -> Metric:
    if isinstance(error, CallerError):
        return Metric.REJECTED_REQUESTS if operation is Operation.PREDICT else Metric.REJECTED_FEEDBACK
    return Metric.MODEL_ERRORS if isinstance(error, ModelError) else Metric.INTERNAL_ERRORS


def _cause_of(error: Exception) -> dict[str, Any]:
    if isinstance(error, ContractViolation):
        return {"reason": code_of(error), "cause": str(error), "fields": _fields_of(error.problems)}
    if isinstance(error, ModelError | StoreUnavailable):
        return {"reason": code_of(error), "cause": str(error)}
    # The message is left out: it may quote the payload, as pydantic's messages do.
    frames = traceback.format_tb(error.__traceback__)
    return {"reason": code_of(error), "cause": type(error).__qualname__, "frames": frames}


def _fields_of(problems: Iterable[FieldProblem]) -> list[str]:
    return sorted({f"{_known_pointer(problem)}: {problem.code}" for problem in problems})


def _known_pointer(problem: FieldProblem) -> str:
    """The pointer, without a name that the caller made up."""
    return problem.pointer.rpartition("/")[0] if problem.code == "extra_forbidden" else problem.pointer
