"""Which state an alarm's datapoints mean: a pure function, by the documented rules for M out of N and missing data.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

EXTRA_PERIODS: Final = 2
"""An alarm looks that many periods further back than it evaluates, for real datapoints in place of missing ones.

The documentation's examples look at 5 periods for 3; it does not give the number for others.
"""


class State(StrEnum):
    """The states of an alarm."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


class Missing(StrEnum):
    """How missing datapoints are treated."""

    MISSING = "missing"
    IGNORE = "ignore"
    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"


OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


@dataclass(frozen=True, slots=True)
class Datapoint:
    """One period of an alarm; `value` None is a missing one. `is_scarce`: too few samples for a percentile."""

    start: float
    value: float | None = None
    sample_count: float | None = None
    is_scarce: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What an alarm asks of its datapoints."""

    breaches: Callable[[float], bool]
    evaluation_periods: int
    datapoints_to_alarm: int
    missing: Missing = Missing.MISSING

    @property
    def range_periods(self) -> int:
        """How many periods are looked at."""
        return self.evaluation_periods + EXTRA_PERIODS


@dataclass(frozen=True, slots=True)
class Judgement:
    """`state` None is: the present one stays. `evaluated` are the real datapoints that counted, the oldest first."""

    state: State | None
    evaluated: Sequence[Datapoint] = ()
    filled: int = 0
    """Missing datapoints that were treated as something."""
    is_premature: bool = False
    """ALARM although fewer datapoints breach than asked for: all that has come since the oldest does."""


def judge(points: Sequence[Datapoint], rule: Rule) -> Judgement:
    """`points` are those of the evaluation range, the oldest first, the missing ones among them."""
    real = [point for point in points if point.value is not None]
    if any(point.is_scarce for point in real[-rule.evaluation_periods :]):
        return Judgement(None)
    evaluated = real[-rule.evaluation_periods :]
    breaching = sum(1 for point in evaluated if _breaches(point, rule))
    lacking = rule.evaluation_periods - len(evaluated)
    if breaching >= rule.datapoints_to_alarm:
        return Judgement(State.ALARM, evaluated, lacking)
    if not lacking:
        return Judgement(State.OK, evaluated)
    return _with_missing(points, evaluated, breaching, rule)


def _with_missing(points: Sequence[Datapoint], evaluated: Sequence[Datapoint], breaching: int, rule: Rule) -> Judgement:
    lacking = rule.evaluation_periods - len(evaluated)
    if rule.missing is Missing.BREACHING:
        is_alarm = breaching + lacking >= rule.datapoints_to_alarm
        return Judgement(State.ALARM if is_alarm else State.OK, evaluated, lacking)
    if rule.missing is Missing.NOT_BREACHING or breaching < len(evaluated):
        return Judgement(State.OK, evaluated, lacking)
    if rule.missing is Missing.IGNORE:
        return Judgement(None, evaluated, lacking)
    return _all_breaching(points, evaluated, rule)


def _all_breaching(points: Sequence[Datapoint], evaluated: Sequence[Datapoint], rule: Rule) -> Judgement:
    """Whatever there is breaches, and it is not enough: ALARM once the oldest of it is old enough."""
    lacking = rule.evaluation_periods - len(evaluated)
    ages = [len(points) - index for index, point in enumerate(points) if point.value is not None]
    if ages and ages[0] >= rule.datapoints_to_alarm:
        return Judgement(State.ALARM, evaluated, lacking, is_premature=True)
    return Judgement(State.INSUFFICIENT_DATA, evaluated, lacking)


def _breaches(point: Datapoint, rule: Rule) -> bool:
    return point.value is not None and rule.breaches(point.value)
