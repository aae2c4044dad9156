"""What an alarm is made of, as the table in alarms.py writes it down: readings, a limit, a pace, and when it exists.

Plain values; the constructs are in model_alarms.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cdk.cost.prices import read_prices
from cdk.names import VARIANT, PackageNames
from cdk.preflight.hardware import Host, host
from functions.gateway.metrics import NAMESPACE, REASON_DIMENSION, SERVICE_DIMENSION
from model_packages.contract import PackageConfig

HOSTS_NAMESPACE = "/aws/sagemaker/Endpoints"  # SageMaker's choice


class Severity(StrEnum):
    """Who has to look, and when."""

    PAGE = "page"
    """Now: callers do not get what they ask for."""
    TICKET = "ticket"
    """On a working day: something is wrong that callers do not feel yet."""
    NOTICE = "notice"
    """A message of its own, because each is another story: the model or its cost is no longer what it was."""
    STATE = "state"
    """Nobody: other alarms ask for it."""


class Source(StrEnum):
    """Whose metric it is."""

    VARIANT = "AWS/SageMaker"
    HOST = HOSTS_NAMESPACE
    PACKAGE = NAMESPACE
    GATEWAY = "AWS/Lambda, gateway"
    MONITOR = "AWS/Lambda, monitor"
    RETRAINING = "AWS/Lambda, retraining"

    @property
    def namespace(self) -> str:
        """As CloudWatch has it."""
        return self.value.partition(",")[0]

    def dimensions(self, names: PackageNames) -> dict[str, str]:
        """Of one package's."""
        match self:
            case Source.VARIANT | Source.HOST:
                return {"EndpointName": names.endpoint, "VariantName": VARIANT}
            case Source.PACKAGE:
                return {SERVICE_DIMENSION: names.package.name}
            case Source.GATEWAY:
                return {"FunctionName": names.gateway_function}
            case Source.MONITOR:
                return {"FunctionName": names.monitor_function}
            case Source.RETRAINING:
                return {"FunctionName": names.retraining_function}


class Comparison(StrEnum):
    """Which side of the limit is wrong; CloudWatch's names."""

    ABOVE = "GreaterThanThreshold"
    AT_LEAST = "GreaterThanOrEqualToThreshold"
    BELOW = "LessThanThreshold"

    @property
    def sign(self) -> str:
        """For people."""
        return {Comparison.ABOVE: ">", Comparison.AT_LEAST: ">=", Comparison.BELOW: "<"}[self]


class Missing(StrEnum):
    """What a period without data means; CloudWatch's names. Breaching is not among them: an alarm over it would fire
    the moment that it is deployed. What has to be heard of is compared with something that is.
    """

    FINE = "notBreaching"
    IGNORED = "ignore"
    """The state stays: the next value may be hours away."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The package that alarms are made for, and what a limit may depend on. `region` is whose prices count,
    `expects_traffic` the environment's setting.
    """

    names: PackageNames
    region: str | None = None
    expects_traffic: bool = True

    @property
    def config(self) -> PackageConfig:
        return self.names.package.config

    @property
    def host(self) -> Host:
        return host(self.config.endpoint.instance_type)

    @property
    def instance_hour_usd(self) -> float | None:
        """None where the price file has no price."""
        return read_prices(self.region).of_instance(self.config.endpoint.instance_type)

    @property
    def scales(self) -> bool:
        return self.config.endpoint.maximum_instances > self.config.endpoint.minimum_instances

    @property
    def facts(self) -> Mapping[str, float]:
        """What an expression may name in braces."""
        return {
            "instance_hour_usd": self.instance_hour_usd or 0.0,
            "surely": math.log10(self.config.monitor.windows_per_false_alarm),
        }


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric, with one statistic. `reason` is of the gateway's errors."""

    source: Source
    metric: str
    statistic: str
    reason: str | None = None

    def dimensions(self, names: PackageNames) -> dict[str, str]:
        """Of one package's."""
        return {**self.source.dimensions(names), **({REASON_DIMENSION: self.reason} if self.reason else {})}


@dataclass(frozen=True, slots=True)
class Limit:
    """`value` in the metric's unit; `says` is what it is made of."""

    says: str
    value: Callable[[Watched], float]


@dataclass(frozen=True, slots=True)
class Span:
    """`needed` bad periods of the last `of`."""

    minutes: int
    needed: int
    of: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How long it has to be wrong."""

    says: str
    span: Callable[[Watched], Span]


def every(minutes: int, *, needed: int, of: int) -> Pace:
    """The same for every package."""
    span = Span(minutes, needed, of)
    unit = {1: "min", 60: "h", 24 * 60: "d"}.get(minutes, f"x {minutes} min")
    return Pace(f"{needed} of {of} {unit}", lambda _: span)


@dataclass(frozen=True, slots=True)
class Existence:
    """Which packages have the alarm."""

    says: str
    holds: Callable[[Watched], bool]


ALWAYS = Existence("always", lambda _: True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One alarm of the table."""

    name: str
    severity: Severity
    readings: Mapping[str, Reading]
    """By the name that the expression has for them; the only one, where there is no expression."""
    expression: str | None = None
    comparison: Comparison = Comparison.ABOVE
    limit: Limit
    pace: Pace
    missing: Missing = Missing.FINE
    exists: Existence = ALWAYS
    why: str


def one(source: Source, metric: str, statistic: str, *, reason: str | None = None) -> Mapping[str, Reading]:
    """The readings of an alarm without an expression."""
    return {"value": Reading(source, metric, statistic, reason)}
