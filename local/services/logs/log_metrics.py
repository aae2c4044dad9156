"""Metrics out of log lines as they arrive: embedded ones, and those of a group's metric filters.

What is wrong with an embedded metric is counted where CloudWatch counts it (AWS/Logs, EMFValidationErrors and
EMFParsingErrors by LogGroupName) and told once a group in the cloud's own log.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import Final, Protocol

from local.services.cloudwatch.metric import Metric
from local.services.cloudwatch.samples import Samples
from local.services.logs.embedded_metrics import InvalidEmbeddedMetrics, embedded_metrics
from local.services.logs.metric_filters import FiltersOf, Measure

log = logging.getLogger(__name__)

NAMESPACE: Final = "AWS/Logs"
MINUTE: Final = 60

Line = tuple[float, str]
"""When it was written, in seconds since 1970, and what it says."""


class PutMetric(Protocol):
    """Takes samples of a metric."""

    def __call__(
        self, metric: Metric, timestamp: float, samples: Samples, *, unit: str = "None", resolution: int = 60
    ) -> None: ...


class LogMetrics:
    """Told of lines by whoever stores them. Any thread may."""

    def __init__(self, *, put: PutMetric, filters_of: FiltersOf) -> None:
        self._put, self._filters_of = put, filters_of
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self._silent: dict[tuple[Measure, int], bool] = {}
        """Measures with a default by minute: whether no line of it has matched yet."""

    def observe(self, group: str, lines: Iterable[Line], *, now: float) -> None:
        """Lines have arrived in a group."""
        filters = self._filters_of(group)
        for at, message in lines:
            self._embedded(group, message, now)
            for each in filters:
                fields = each.pattern(message)
                for measure in each.measures:
                    found = None if fields is None else measure.of(fields)
                    if measure.default is not None:
                        self._note(measure, at, has_matched=found is not None)
                    if found is not None:
                        self._put(found[0], at, Samples.of([found[1]]), unit=measure.unit)

    def put_defaults(self, now: float) -> None:
        """The default values of the minutes that are over, in which lines came and none matched."""
        with self._lock:
            over = [(measure, minute) for measure, minute in self._silent if (minute + 1) * MINUTE <= now]
            silent = [key for key in over if self._silent[key]]
            for key in over:
                del self._silent[key]
        for measure, minute in silent:
            if measure.default is not None:
                metric = Metric(measure.namespace, measure.name)
                self._put(metric, minute * MINUTE, Samples.of([measure.default]), unit=measure.unit)

    def _note(self, measure: Measure, at: float, *, has_matched: bool) -> None:
        key = (measure, int(at // MINUTE))
        with self._lock:
            self._silent[key] = self._silent.get(key, True) and not has_matched

    def _embedded(self, group: str, message: str, now: float) -> None:
        try:
            for found in embedded_metrics(message, now=now):
                self._put(found.metric, found.at, found.samples, unit=found.unit, resolution=found.resolution)
        except InvalidEmbeddedMetrics as error:
            name = "EMFValidationErrors" if error.is_json else "EMFParsingErrors"
            self._put(Metric.of(NAMESPACE, name, {"LogGroupName": group}), now, Samples.of([1.0]), unit="Count")
            if group not in self._told:
                self._told.add(group)
                log.warning("a line of %s carries metrics that cannot be taken: %s", group, error)
