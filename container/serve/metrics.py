"""What the server counts, in Prometheus's text format; SageMaker's detailed observability scrapes it."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class ServerMetrics:
    """One server's counts, in a registry of its own."""

    def __init__(self, *, package: str, model_version: str, schema_hash: str) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "flyball_requests",
            "Requests to /invocations, by the status of the answer",
            ["status"],
            registry=self._registry,
        )
        self._rows = Counter("flyball_rows", "Rows that were predicted or failed", registry=self._registry)
        self._batch_rows = Histogram("flyball_batch_rows", "Rows a batch", buckets=_ROWS, registry=self._registry)
        self._batch_seconds = Histogram(
            "flyball_batch_seconds", "Time to compute a batch", buckets=_SECONDS, registry=self._registry
        )
        self._request_seconds = Histogram(
            "flyball_request_seconds", "Time to answer a request, body read", buckets=_SECONDS, registry=self._registry
        )
        self._queue_rows = Gauge("flyball_queue_rows", "Rows that wait", registry=self._registry)
        self._in_flight = Gauge("flyball_in_flight_requests", "Requests without an answer yet", registry=self._registry)
        Gauge("flyball_model", "1", ["package", "version", "schema_hash"], registry=self._registry).labels(
            package, model_version, schema_hash
        ).set(1)
        ProcessCollector(registry=self._registry)

    def watch(self, *, waiting_rows: Callable[[], int], in_flight: Callable[[], int]) -> None:
        """Asks both whenever the metrics are read."""
        self._queue_rows.set_function(waiting_rows)
        self._in_flight.set_function(in_flight)

    def request_answered(self, *, status: int, seconds: float) -> None:
        self._requests.labels(str(status)).inc()
        self._request_seconds.observe(seconds)

    def batch_computed(self, rows: int, seconds: float) -> None:
        self._rows.inc(rows)
        self._batch_rows.observe(rows)
        self._batch_seconds.observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self._registry)
