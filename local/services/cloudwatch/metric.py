"""What a metric is: namespace, name and dimensions, compared exactly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.services.cloudwatch.errors import InvalidParameterValue

LONGEST_NAME: Final = 255
LONGEST_DIMENSION_VALUE: Final = 1024
MOST_DIMENSIONS: Final = 30
NAMESPACE: Final = re.compile(r"[^:].*", re.DOTALL)

UNITS: Final = frozenset(
    {
        *("Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "None", "Count/Second"),
        *("Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes"),
        *("Bits", "Kilobits", "Megabits", "Gigabits", "Terabits"),
        *("Bytes/Second", "Kilobytes/Second", "Megabytes/Second", "Gigabytes/Second", "Terabytes/Second"),
        *("Bits/Second", "Kilobits/Second", "Megabits/Second", "Gigabits/Second", "Terabits/Second"),
    }
)


@dataclass(frozen=True, slots=True, order=True)
class Metric:
    """A metric's identity. Dimensions are sorted: their order means nothing."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Mapping[str, str] | None = None) -> Metric:
        """From a mapping of dimensions."""
        return cls(namespace, name, tuple(sorted((dimensions or {}).items())))

    @classmethod
    def described(cls, document: Mapping[str, Any]) -> Metric:
        """From the members Namespace, MetricName and Dimensions of an API call."""
        return cls(document.get("Namespace", ""), document.get("MetricName", ""), dimensions_in(document))

    def document(self) -> dict[str, Any]:
        """As ListMetrics and alarms show it."""
        return {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": self.dimension_list()}

    def dimension_list(self) -> list[dict[str, str]]:
        """The dimensions as AWS lists them."""
        return [{"Name": name, "Value": value} for name, value in self.dimensions]

    def dimension_text(self) -> str:
        """The dimensions as one text, to be kept."""
        return json.dumps(self.dimensions)


def dimensions_in(document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The dimensions of an API call's member, sorted."""
    given: Iterable[Mapping[str, str]] = document.get("Dimensions") or ()
    return tuple(sorted((entry["Name"], entry["Value"]) for entry in given))


def check_unit(unit: str, where: str) -> None:
    """Raises InvalidParameterValue for a unit that CloudWatch does not know."""
    if unit not in UNITS:
        raise InvalidParameterValue(f"The parameter {where} must be a value in the set [ {', '.join(sorted(UNITS))} ]")


def check_dimensions(dimensions: tuple[tuple[str, str], ...], where: str) -> None:
    """Raises InvalidParameterValue where there are too many, or one is empty, too long or there twice."""
    if len(dimensions) > MOST_DIMENSIONS:
        raise InvalidParameterValue(
            f"The collection {where} must not have a size greater than {MOST_DIMENSIONS}; found {len(dimensions)}"
        )
    if len({name for name, _ in dimensions}) < len(dimensions):
        raise InvalidParameterValue(f"The collection {where} must not have the same dimension twice")
    for index, (name, value) in enumerate(dimensions, start=1):
        check_text(name, f"{where}.member.{index}.Name", longest=LONGEST_NAME)
        check_text(value, f"{where}.member.{index}.Value", longest=LONGEST_DIMENSION_VALUE)
        if name.startswith(":"):
            raise InvalidParameterValue(f"The parameter {where}.member.{index}.Name must not start with a colon")


def check_text(text: str, where: str, *, longest: int = LONGEST_NAME) -> None:
    """Raises InvalidParameterValue unless the text has 1 to `longest` characters, all of them ASCII."""
    if not text or len(text) > longest:
        raise InvalidParameterValue(
            f"The parameter {where} must be between 1 and {longest} characters long; found {len(text)}"
        )
    if not text.isascii():
        raise InvalidParameterValue(f"The parameter {where} must consist of ASCII characters; found {text!r}")
