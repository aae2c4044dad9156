"""Alarms as they are kept: their settings by AWS's own names, their state, and how they were last judged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from local.documents import Record
from local.services.cloudwatch.evaluation import OPERATORS, Missing, Rule, State
from local.services.cloudwatch.expressions import grammar
from local.services.cloudwatch.expressions.evaluate import MetricStat, Queries, Query
from local.services.cloudwatch.metric import Metric
from local.services.cloudwatch.times import moment

INITIAL_REASON: Final = "Unchecked: Initial alarm creation"
DAY: Final = 86_400
WITHOUT_DATA: Final = frozenset({"DAY", "EPOCH", "HOUR", "MINUTE", "MONTH", "YEAR"})
"""Functions whose value changes although no data come."""

ACTIONS: Final[Mapping[State, str]] = {
    State.ALARM: "AlarmActions",
    State.OK: "OKActions",
    State.INSUFFICIENT_DATA: "InsufficientDataActions",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """An alarm's state and since when; `reason_data` is JSON."""

    state: State = State.INSUFFICIENT_DATA
    reason: str = INITIAL_REASON
    reason_data: str = ""
    updated_at: float = 0.0

    def entry(self) -> list[str | float]:
        """To be kept."""
        return [self.state.value, self.reason, self.reason_data, self.updated_at]


@dataclass(frozen=True)
class Alarm:
    """What all alarms have. `settings` are the arguments of the call that made it, without its tags."""

    name: str
    arn: str
    settings: Mapping[str, Any]
    configured_at: float
    created_at: float
    standing: Standing = Standing()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def actions_enabled(self) -> bool:
        """Whether actions are taken."""
        return self.settings.get("ActionsEnabled", True) is not False

    def actions(self, state: State) -> Sequence[str]:
        """The ARNs of what is to be done on the way into a state."""
        found: Sequence[str] = self.settings.get(ACTIONS[state]) or ()
        return found

    def record(self) -> Record:
        """To be kept."""
        return {
            "kind": type(self).__name__,
            "arn": self.arn,
            "settings": dict(self.settings),
            "configured_at": self.configured_at,
            "created_at": self.created_at,
            "standing": self.standing.entry(),
            "tags": dict(self.tags),
        }

    def described(self) -> dict[str, Any]:
        """What DescribeAlarms shows of every alarm."""
        standing = self.standing
        return {
            "ActionsEnabled": True,
            "OKActions": [],
            "AlarmActions": [],
            "InsufficientDataActions": [],
            **self.settings,
            "AlarmName": self.name,
            "AlarmArn": self.arn,
            "AlarmConfigurationUpdatedTimestamp": moment(self.configured_at),
            "StateValue": standing.state.value,
            "StateReason": standing.reason,
            **({"StateReasonData": standing.reason_data} if standing.reason_data else {}),
            "StateUpdatedTimestamp": moment(standing.updated_at),
            "StateTransitionedTimestamp": moment(standing.updated_at),
        }


@dataclass(frozen=True)
class MetricAlarm(Alarm):
    """An alarm on a metric, or on an expression."""

    @cached_property
    def rule(self) -> Rule:
        """What it asks of its datapoints."""
        compare = OPERATORS[self.settings["ComparisonOperator"]]
        threshold, periods = float(self.settings["Threshold"]), int(self.settings["EvaluationPeriods"])
        return Rule(
            breaches=lambda value: compare(value, threshold),
            evaluation_periods=periods,
            datapoints_to_alarm=int(self.settings.get("DatapointsToAlarm") or periods),
            missing=Missing(self.settings.get("TreatMissingData") or self._missing_by_default),
        )

    @cached_property
    def queries(self) -> Queries | None:
        """Its expression and what that is made of; None for a plain metric."""
        return Queries.described(self.settings["Metrics"]) if self.settings.get("Metrics") else None

    @cached_property
    def watched(self) -> Query | None:
        """The query that is compared, of those of an expression."""
        if self.queries is None:
            return None
        return next(query for query in self.queries.all.values() if query.returns_data)

    @cached_property
    def stat(self) -> MetricStat | None:
        """The one metric that is compared; None for an expression."""
        if self.queries is not None:
            return None
        name = self.settings.get("ExtendedStatistic") or self.settings["Statistic"]
        return MetricStat(Metric.described(self.settings), name, self.period, self.settings.get("Unit"))

    @cached_property
    def metrics(self) -> frozenset[Metric]:
        """Every metric that it looks at."""
        if self.stat is not None:
            return frozenset({self.stat.metric})
        return frozenset(stat.metric for stat in self.queries.stats) if self.queries else frozenset()

    @cached_property
    def period(self) -> int:
        """In seconds."""
        return self.queries.period if self.queries is not None else int(self.settings["Period"])

    @cached_property
    def step(self) -> int:
        """How often it is evaluated, in seconds."""
        if self.period < 60:
            return 10
        return 3600 if self.period * self.rule.evaluation_periods > DAY else 60

    @cached_property
    def is_always_due(self) -> bool:
        """Whether its value may change although no data come."""
        queries = self.queries.all.values() if self.queries else ()
        nodes = [query.what for query in queries if not isinstance(query.what, MetricStat)]
        return any(function in WITHOUT_DATA for node in nodes for function in grammar.calls_in(node))

    @property
    def _missing_by_default(self) -> Missing:
        is_dynamo = any(metric.namespace == "AWS/DynamoDB" for metric in self.metrics)
        return Missing.IGNORE if is_dynamo else Missing.MISSING


@dataclass(frozen=True)
class CompositeAlarm(Alarm):
    """An alarm on the states of others. `suppression` says why its actions wait, and until when."""

    suppression: Suppression | None = None

    def record(self) -> Record:
        held = self.suppression
        return {**super().record(), "suppression": None if held is None else [held.by, held.until, held.since]}

    def described(self) -> dict[str, Any]:
        held = self.suppression
        if held is None:
            return super().described()
        reason = f"Actions suppressed by {held.by}"
        return {**super().described(), "ActionsSuppressedBy": held.by, "ActionsSuppressedReason": reason}


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why actions wait: WaitPeriod, Alarm or ExtensionPeriod; `until` is None while the suppressor is in ALARM."""

    by: str
    since: float
    until: float | None = None


def alarm_of(name: str, record: Record) -> Alarm:
    """The alarm that was kept."""
    state, reason, reason_data, updated_at = record["standing"]
    given = {
        "name": name,
        "arn": record["arn"],
        "settings": record["settings"],
        "configured_at": record["configured_at"],
        "created_at": record["created_at"],
        "standing": Standing(State(state), reason, reason_data, updated_at),
        "tags": record["tags"],
    }
    if record["kind"] == "MetricAlarm":
        return MetricAlarm(**given)
    held = record.get("suppression")
    return CompositeAlarm(**given, suppression=Suppression(held[0], held[2], held[1]) if held else None)


def standing_at(alarm: Alarm, standing: Standing) -> Alarm:
    """The alarm in another state."""
    return replace(alarm, standing=standing)


def reason_data(**members: Any) -> str:
    """A reason's data as JSON, without what is None."""
    return json.dumps({name: value for name, value in members.items() if value is not None}, separators=(",", ":"))
