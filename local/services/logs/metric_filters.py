"""Metric filters: what a log group's filter makes of a line, and what is refused when one is put."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from local.services.cloudwatch.metric import UNITS, Metric
from local.services.logs.conditions import select
from local.services.logs.filter_patterns import Fields, Pattern, compiled
from local.services.logs.problems import InvalidTransformation

MOST_DIMENSIONS: Final = 3
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Measure:
    """One transformation: `value` is a number or a selector."""

    namespace: str
    name: str
    value: str
    unit: str = "None"
    default: float | None = None
    dimensions: tuple[tuple[str, str], ...] = ()

    def of(self, fields: Fields) -> tuple[Metric, float] | None:
        """The metric and its value; None where the line does not have them."""
        value = float(self.value) if _NUMBER.fullmatch(self.value) else _number(_at(self.value, fields))
        dimensions = {name: _at(selector, fields) for name, selector in self.dimensions}
        if value is None or any(found is None or isinstance(found, dict | list) for found in dimensions.values()):
            return None
        return Metric.of(self.namespace, self.name, {name: str(found) for name, found in dimensions.items()}), value


@dataclass(frozen=True, slots=True)
class MetricFilter:
    """A filter of one group."""

    name: str
    pattern: Pattern
    measures: tuple[Measure, ...]


FiltersOf = Callable[[str], Sequence[MetricFilter]]
"""The filters of a log group; asked for each batch of lines, so it has to be quick."""


def checked(pattern: str, transformations: Iterable[Document]) -> None:
    """Raises InvalidPattern or InvalidTransformation."""
    compiled(pattern)
    given = list(transformations)
    if len(given) != 1:
        raise InvalidTransformation(f"metricTransformations has one transformation; found {len(given)}")
    for transformation in given:
        _measure(_frozen(transformation))


def metric_filters(documents: Iterable[Document]) -> list[MetricFilter]:
    """From what DescribeMetricFilters gives."""
    return [
        MetricFilter(
            document["filterName"],
            compiled(document.get("filterPattern") or ""),
            tuple(_measure(_frozen(each)) for each in document["metricTransformations"]),
        )
        for document in documents
    ]


Frozen = tuple[tuple[str, Any], ...]


def _frozen(document: Document) -> Frozen:
    return tuple(
        (name, tuple(sorted(value.items())) if isinstance(value, dict) else value)
        for name, value in sorted(document.items())
    )


@lru_cache(maxsize=512)
def _measure(frozen: Frozen) -> Measure:
    document = dict(frozen)
    value, default = str(document.get("metricValue", "")), document.get("defaultValue")
    dimensions = tuple(document.get("dimensions") or ())
    unit = document.get("unit") or "None"
    if not _NUMBER.fullmatch(value) and not value.startswith("$"):
        raise InvalidTransformation(f"metricValue is a number or begins with $; found {value!r}")
    if unit not in UNITS:
        raise InvalidTransformation(f"unit {unit} is not known")
    if dimensions and default is not None:
        raise InvalidTransformation("a metric with dimensions cannot have a defaultValue")
    if len(dimensions) > MOST_DIMENSIONS:
        raise InvalidTransformation(f"a metric filter may have {MOST_DIMENSIONS} dimensions; found {len(dimensions)}")
    if wrong := [selector for _, selector in dimensions if not str(selector).startswith("$")]:
        raise InvalidTransformation(f"a dimension's value begins with $; found {', '.join(map(str, wrong))}")
    number = None if default is None else float(default)
    return Measure(document["metricNamespace"], document["metricName"], value, unit, number, dimensions)


def _at(selector: str, fields: Fields) -> Any:
    """The value of `$.a.b` in JSON, or of column `$a`."""
    if selector.startswith(("$.", "$[")):
        found = select(selector)(fields)
        return found[0] if found else None
    return fields.get(selector.removeprefix("$"))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    return float(value) if isinstance(value, int | float) or _NUMBER.fullmatch(str(value)) else None
