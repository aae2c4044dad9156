"""The embedded metric format: metrics that a log line carries in its member `_aws`.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from local.services.cloudwatch.metric import MOST_DIMENSIONS, UNITS, Metric
from local.services.cloudwatch.putting import NEWEST_SECONDS, OLDEST_SECONDS
from local.services.cloudwatch.samples import Samples

MARK: Final = '"_aws"'
MOST_METRICS: Final = 100
MOST_VALUES: Final = 100
LARGEST_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class EmbeddedMetric:
    """One metric of a line; `at` is in seconds since 1970."""

    metric: Metric
    samples: Samples
    unit: str
    resolution: int
    at: float


class InvalidEmbeddedMetrics(Exception):
    """A line that claims to carry metrics and does not; `is_json` tells the two kinds of errors apart."""

    def __init__(self, message: str, *, is_json: bool = True) -> None:
        super().__init__(message)
        self.is_json = is_json


def embedded_metrics(message: str, *, now: float) -> list[EmbeddedMetric]:
    """The metrics of a log line; none where it does not speak of any.

    Raises: InvalidEmbeddedMetrics.
    """
    if MARK not in message:
        return []
    try:
        document = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        if '"CloudWatchMetrics"' not in message:
            return []
        raise InvalidEmbeddedMetrics(f"it is no JSON: {error}", is_json=False) from error
    metadata = document.get("_aws") if isinstance(document, dict) else None
    if not isinstance(metadata, dict) or "CloudWatchMetrics" not in metadata:
        return []
    if len(message) > LARGEST_BYTES:
        raise InvalidEmbeddedMetrics(f"it has {len(message)} bytes; {LARGEST_BYTES} are allowed")
    at = _timestamp(metadata, now)
    directives = metadata["CloudWatchMetrics"]
    if not isinstance(directives, list) or not all(isinstance(each, dict) for each in directives):
        raise InvalidEmbeddedMetrics("_aws.CloudWatchMetrics is no array of objects")
    return [found for directive in directives for found in _of_directive(directive, document, at)]


def _timestamp(metadata: Mapping[str, Any], now: float) -> float:
    given = metadata.get("Timestamp")
    if not isinstance(given, int | float) or isinstance(given, bool):
        raise InvalidEmbeddedMetrics(f"_aws.Timestamp is a number of milliseconds; found {given!r}")
    at = given / 1000
    if not now - OLDEST_SECONDS <= at <= now + NEWEST_SECONDS:
        raise InvalidEmbeddedMetrics(f"_aws.Timestamp is within two weeks back and two hours ahead; found {given}")
    return at


def _of_directive(directive: Mapping[str, Any], document: Mapping[str, Any], at: float) -> Iterator[EmbeddedMetric]:
    namespace, metrics = directive.get("Namespace"), directive.get("Metrics", [])
    if not isinstance(namespace, str) or not namespace:
        raise InvalidEmbeddedMetrics(f"Namespace is a text; found {namespace!r}")
    if not isinstance(metrics, list) or len(metrics) > MOST_METRICS:
        raise InvalidEmbeddedMetrics(f"Metrics is an array of up to {MOST_METRICS}")
    sets = list(_dimension_sets(directive, document))
    for definition in metrics:
        name, unit, resolution = _definition(definition)
        samples = _samples(name, document)
        for dimensions in sets:
            yield EmbeddedMetric(Metric(namespace, name, dimensions), samples, unit, resolution, at)


def _dimension_sets(directive: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], ...]]:
    sets = directive.get("Dimensions", [[]])
    if not isinstance(sets, list) or not all(isinstance(names, list) for names in sets):
        raise InvalidEmbeddedMetrics("Dimensions is an array of arrays of names")
    for names in sets:
        if len(names) > MOST_DIMENSIONS:
            raise InvalidEmbeddedMetrics(f"a set may have {MOST_DIMENSIONS} dimensions; found {len(names)}")
        yield tuple(sorted((name, _dimension(name, document)) for name in names))


def _dimension(name: Any, document: Mapping[str, Any]) -> str:
    value = document.get(name) if isinstance(name, str) else None
    if not isinstance(value, str) or not value:
        raise InvalidEmbeddedMetrics(f"dimension {name!r} is a text of the line's own; found {value!r}")
    return value


def _definition(definition: Any) -> tuple[str, str, int]:
    if not isinstance(definition, dict) or not isinstance(definition.get("Name"), str) or not definition["Name"]:
        raise InvalidEmbeddedMetrics(f"a metric has a Name; found {definition!r}")
    unit, resolution = definition.get("Unit", "None"), definition.get("StorageResolution", 60)
    if unit not in UNITS:
        raise InvalidEmbeddedMetrics(f"unit {unit!r} is not known")
    if resolution not in (1, 60):
        raise InvalidEmbeddedMetrics(f"StorageResolution is 1 or 60; found {resolution!r}")
    return definition["Name"], unit, resolution


def _samples(name: str, document: Mapping[str, Any]) -> Samples:
    given = document.get(name)
    values = given if isinstance(given, list) else [given]
    if not values or len(values) > MOST_VALUES or not all(_is_number(value) for value in values):
        raise InvalidEmbeddedMetrics(f"metric {name!r} is a number, or up to {MOST_VALUES} of them; found {given!r}")
    return Samples.of(map(float, values))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
