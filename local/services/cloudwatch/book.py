"""All alarms of one account and region, by name; what changes in them is on disk with the next `flush`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from local.documents import Documents
from local.services.cloudwatch.alarm import Alarm, CompositeAlarm, MetricAlarm, alarm_of
from local.services.cloudwatch.alarm_rule import AlarmRule, alarms_in, parse
from local.services.cloudwatch.errors import InvalidParameterValue, ValidationFailed
from local.services.cloudwatch.evaluation import State
from local.services.cloudwatch.metric import Metric


class AlarmBook:
    """Alarms are values: a change puts another one in its place."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._alarms = {name: alarm_of(name, record) for name, record in documents.items()}
        self._unwritten: set[str] = set()
        self._by_metric: dict[Metric, set[str]] = defaultdict(set)
        self._steps: dict[str, int] = {}
        for alarm in self._alarms.values():
            self._index(alarm)

    def find(self, name_or_arn: str) -> Alarm | None:
        """The alarm, by name or ARN."""
        return self._alarms.get(name_or_arn) or self._alarms.get(_name_in(name_or_arn))

    def all(self) -> Sequence[Alarm]:
        """Every alarm, by name."""
        return sorted(self._alarms.values(), key=lambda alarm: alarm.name)

    def put(self, alarm: Alarm) -> None:
        """Keep an alarm in place of the former one of its name."""
        self._unindex(alarm.name)
        self._alarms[alarm.name] = alarm
        self._index(alarm)
        self._unwritten.add(alarm.name)

    def move(self, alarm: Alarm) -> None:
        """The same alarm in another state."""
        self._alarms[alarm.name] = alarm
        self._unwritten.add(alarm.name)

    def delete(self, name: str) -> None:
        """Forget an alarm."""
        self._unindex(name)
        self._alarms.pop(name, None)
        self._unwritten.add(name)

    def on_metric(self, metric: Metric) -> Iterator[MetricAlarm]:
        """The alarms that look at a metric."""
        for name in sorted(self._by_metric.get(metric, ())):
            alarm = self._alarms[name]
            if isinstance(alarm, MetricAlarm):
                yield alarm

    def metric_alarms(self) -> Iterator[MetricAlarm]:
        """Every alarm on a metric."""
        return (alarm for alarm in self.all() if isinstance(alarm, MetricAlarm))

    @property
    def shortest_step(self) -> int | None:
        """How often alarms are evaluated at most, in seconds; None where there is none on a metric."""
        return min(self._steps.values(), default=None)

    def composites(self) -> Iterator[CompositeAlarm]:
        """Every composite alarm."""
        return (alarm for alarm in self.all() if isinstance(alarm, CompositeAlarm))

    def dependents(self, name: str) -> list[CompositeAlarm]:
        """The composite alarms whose rule, or suppressor, refers to an alarm."""
        return [alarm for alarm in self.composites() if name in self.named_by(alarm)]

    def named_by(self, alarm: CompositeAlarm) -> set[str]:
        """The names of the alarms that a composite alarm refers to."""
        return rule_names(alarm) | ({suppressor} if (suppressor := suppressor_of(alarm)) else set())

    def state_of(self, name_or_arn: str) -> State:
        """An alarm's state; one that is not there says nothing."""
        found = self.find(name_or_arn)
        return found.standing.state if found else State.INSUFFICIENT_DATA

    def check_references(self, alarm: CompositeAlarm) -> None:
        """Raises ValidationFailed where a composite alarm refers to nothing, or to itself through others."""
        missing = sorted(name for name in self.named_by(alarm) if self.find(name) is None and name != alarm.name)
        if missing:
            raise ValidationFailed(f"Could not save the composite alarm as alarms [{', '.join(missing)}] do not exist")
        if self._reaches(rule_names(alarm), alarm.name, set()):
            raise ValidationFailed(f"AlarmRule of {alarm.name} refers to {alarm.name} itself, which makes a cycle")
        if suppressor_of(alarm) == alarm.name:
            raise ValidationFailed(f"ActionsSuppressor of {alarm.name} cannot be the alarm itself")

    def flush(self) -> None:
        """Raises: StateNotWritten if the disk is full; then it is tried again."""
        while self._unwritten:
            name = self._unwritten.pop()
            alarm = self._alarms.get(name)
            try:
                if alarm is None:
                    self._documents.delete(name)
                else:
                    self._documents.put(name, alarm.record())
            except BaseException:
                self._unwritten.add(name)
                raise

    def _reaches(self, names: set[str], goal: str, seen: set[str]) -> bool:
        for name in names - seen:
            seen.add(name)
            found = self._alarms.get(name)
            if name == goal or (isinstance(found, CompositeAlarm) and self._reaches(rule_names(found), goal, seen)):
                return True
        return False

    def _index(self, alarm: Alarm) -> None:
        if isinstance(alarm, MetricAlarm):
            self._steps[alarm.name] = alarm.step
            for metric in alarm.metrics:
                self._by_metric[metric].add(alarm.name)

    def _unindex(self, name: str) -> None:
        former = self._alarms.get(name)
        self._steps.pop(name, None)
        if isinstance(former, MetricAlarm):
            for metric in former.metrics:
                self._by_metric[metric].discard(name)


@lru_cache(maxsize=1024)
def parsed(rule: str) -> AlarmRule:
    """A composite alarm's rule, read once."""
    return parse(rule)


def rule_names(alarm: CompositeAlarm) -> set[str]:
    """The names of the alarms in a composite alarm's rule."""
    return {_name_in(entry) for entry in alarms_in(parsed(alarm.settings["AlarmRule"]))}


def suppressor_of(alarm: CompositeAlarm) -> str | None:
    """The name of the alarm that suppresses a composite alarm's actions."""
    suppressor = alarm.settings.get("ActionsSuppressor")
    return _name_in(suppressor) if suppressor else None


def _name_in(name_or_arn: str) -> str:
    return name_or_arn.partition(":alarm:")[2] or name_or_arn if name_or_arn.startswith("arn:") else name_or_arn


def with_tags(alarm: Alarm, tags: dict[str, str]) -> Alarm:
    """The alarm with other tags."""
    return replace(alarm, tags=tags)


def checked_name(name: str) -> str:
    """Raises InvalidParameterValue for a name that no alarm may have."""
    if not 1 <= len(name) <= 255:
        raise InvalidParameterValue(f"AlarmName must have 1 to 255 characters; found {len(name)}")
    return name
