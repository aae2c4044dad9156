"""The operations on alarms: by their arguments under AWS's names, to the members of their answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from local.clock import Clock
from local.services.cloudwatch.alarm import Alarm, CompositeAlarm, MetricAlarm, Standing, alarm_of
from local.services.cloudwatch.alarm_settings import check_composite_alarm, check_metric_alarm
from local.services.cloudwatch.book import AlarmBook
from local.services.cloudwatch.errors import (
    InvalidFormat,
    NoSuchResource,
    Unsupported,
    ValidationFailed,
)
from local.services.cloudwatch.evaluation import State
from local.services.cloudwatch.evaluator import AlarmEvaluator
from local.services.cloudwatch.history import AlarmHistory, HistoryItem
from local.services.cloudwatch.metric import dimensions_in
from local.services.cloudwatch.paging import PAGES

MOST_RECORDS: Final = 100
COMPOSITE_FIRST: Final = {"CompositeAlarm": 0, "MetricAlarm": 1}

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AlarmOperations:
    """Of one account and region; `place` is the beginning of an alarm's ARN."""

    book: AlarmBook
    evaluator: AlarmEvaluator
    history: AlarmHistory
    clock: Clock
    place: str

    def put_metric_alarm(self, arguments: Arguments) -> dict[str, Any]:
        """Makes an alarm, or changes one and leaves its state and tags as they are."""
        settings = _settings(arguments)
        check_metric_alarm(settings)
        self._put(MetricAlarm, settings, arguments)
        return {}

    def put_composite_alarm(self, arguments: Arguments) -> dict[str, Any]:
        """The same of an alarm on alarms."""
        settings = _settings(arguments)
        check_composite_alarm(settings)
        self._put(CompositeAlarm, settings, arguments)
        return {}

    def delete_alarms(self, arguments: Arguments) -> dict[str, Any]:
        """All of the named ones, or none: an alarm that a composite one needs stays."""
        names: Sequence[str] = arguments["AlarmNames"]
        with self.evaluator.lock:
            found = [self._found(name) for name in names]
            composites = [alarm for alarm in found if isinstance(alarm, CompositeAlarm)]
            if composites and len(found) > 1:
                raise ValidationFailed(
                    "A composite alarm is deleted by itself: found "
                    f"{', '.join(alarm.name for alarm in found)} in one call"
                )
            for alarm in found:
                needed_by = [other.name for other in self.book.dependents(alarm.name) if other.name not in names]
                if needed_by:
                    raise ValidationFailed(
                        f"Alarm {alarm.name} cannot be deleted as there are composite alarm(s) depending on it: "
                        f"{', '.join(needed_by)}"
                    )
            for alarm in found:
                self.book.delete(alarm.name)
                self.history.configured(alarm, "Delete", at=self._now)
        return {}

    def set_alarm_state(self, arguments: Arguments) -> dict[str, Any]:
        """A state until the alarm is evaluated next."""
        data = arguments.get("StateReasonData") or ""
        if data:
            try:
                json.loads(data)
            except ValueError as error:
                raise InvalidFormat(f"StateReasonData is no JSON: {error}") from error
        if arguments["StateValue"] not in set(State):
            raise ValidationFailed(f"StateValue must be one of {', '.join(State)}; found {arguments['StateValue']}")
        with self.evaluator.lock:
            alarm = self._found(arguments["AlarmName"])
            state = State(arguments["StateValue"])
            self.evaluator.set_state(alarm, Standing(state, arguments["StateReason"], data, self._now))
        return {}

    def enable_alarm_actions(self, arguments: Arguments) -> dict[str, Any]:
        """Alarms that are not there are passed over."""
        return self._switch(arguments["AlarmNames"], is_on=True)

    def disable_alarm_actions(self, arguments: Arguments) -> dict[str, Any]:
        """Alarms that are not there are passed over."""
        return self._switch(arguments["AlarmNames"], is_on=False)

    def describe_alarms(self, arguments: Arguments) -> dict[str, Any]:
        """Alarms by name, prefix, state, action, parent or child."""
        kinds = arguments.get("AlarmTypes") or (["MetricAlarm", "CompositeAlarm"] if _is_by_name(arguments) else [])
        kinds = kinds or ["MetricAlarm"]
        if "LogAlarm" in kinds:
            raise Unsupported("alarms on logs (LogAlarm)")
        found = [alarm for alarm in self._asked_for(arguments) if type(alarm).__name__ in kinds]
        found.sort(key=lambda alarm: (COMPOSITE_FIRST[type(alarm).__name__], alarm.name))
        page, token = PAGES.cut(found, arguments, size=int(arguments.get("MaxRecords") or MOST_RECORDS))
        return {
            "MetricAlarms": [alarm.described() for alarm in page if isinstance(alarm, MetricAlarm)],
            "CompositeAlarms": [alarm.described() for alarm in page if isinstance(alarm, CompositeAlarm)],
            **token,
        }

    def describe_alarms_for_metric(self, arguments: Arguments) -> dict[str, Any]:
        """The alarms on one metric, not those on expressions."""
        dimensions = dimensions_in(arguments)
        asked = {
            name: arguments[name]
            for name in ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Unit")
            if arguments.get(name) is not None
        }
        found = [
            alarm.described()
            for alarm in self.book.metric_alarms()
            if dimensions_in(alarm.settings) == dimensions
            and all(alarm.settings.get(name) == value for name, value in asked.items())
        ]
        return {"MetricAlarms": found}

    def describe_alarm_history(self, arguments: Arguments) -> dict[str, Any]:
        """What has happened, the newest first unless asked otherwise."""
        found = [item for item in self.history.items() if _is_asked_for(item, arguments)]
        if arguments.get("ScanBy") != "TimestampAscending":
            found.reverse()
        page, token = PAGES.cut(found, arguments, size=int(arguments.get("MaxRecords") or MOST_RECORDS))
        return {"AlarmHistoryItems": [item.described() for item in page], **token}

    @property
    def _now(self) -> float:
        return self.clock.now().timestamp()

    def _put(self, kind: type[MetricAlarm | CompositeAlarm], settings: Arguments, arguments: Arguments) -> None:
        name, now = settings["AlarmName"], self._now
        with self.evaluator.lock:
            former = self.book.find(name)
            if former is not None and not isinstance(former, kind):
                raise ValidationFailed(f"An alarm of another type with the name {name} exists already")
            alarm = kind(
                name=name,
                arn=self.place + name,
                settings=settings,
                configured_at=now,
                created_at=now if former is None else former.created_at,
                standing=Standing(updated_at=now) if former is None else former.standing,
                tags=_tags(arguments) if former is None else former.tags,
            )
            if isinstance(alarm, CompositeAlarm):
                self.book.check_references(alarm)
            self.book.put(alarm)
            self.history.configured(alarm, "Create" if former is None else "Update", at=now)
            self.evaluator.configured(alarm, at=now)

    def _found(self, name: str) -> Alarm:
        alarm = self.book.find(name)
        if alarm is None:
            raise NoSuchResource(f"Unknown alarm {name}")
        return alarm

    def _switch(self, names: Iterable[str], *, is_on: bool) -> dict[str, Any]:
        with self.evaluator.lock:
            for name in names:
                alarm = self.book.find(name)
                if alarm is not None:
                    changed = {**alarm.settings, "ActionsEnabled": is_on}
                    self.book.put(_with_settings(alarm, changed, at=self._now))
        return {}

    def _asked_for(self, arguments: Arguments) -> Iterable[Alarm]:
        if names := arguments.get("AlarmNames"):
            found: Iterable[Alarm] = [alarm for name in names if (alarm := self.book.find(name)) is not None]
        elif child := arguments.get("ParentsOfAlarmName"):
            found = self.book.dependents(self._found(child).name)
        elif parent := arguments.get("ChildrenOfAlarmName"):
            alarm = self._found(parent)
            named = self.book.named_by(alarm) if isinstance(alarm, CompositeAlarm) else set()
            found = [child for name in named if (child := self.book.find(name)) is not None]
        else:
            prefix = arguments.get("AlarmNamePrefix") or ""
            found = [alarm for alarm in self.book.all() if alarm.name.startswith(prefix)]
        state, action = arguments.get("StateValue"), arguments.get("ActionPrefix")
        return [
            alarm
            for alarm in found
            if state in (None, alarm.standing.state)
            and (action is None or any(arn.startswith(action) for each in State for arn in alarm.actions(each)))
        ]


def _with_settings(alarm: Alarm, settings: Mapping[str, Any], *, at: float) -> Alarm:
    """A new object, so that nothing remembered of the former settings stays."""
    record = {**alarm.record(), "settings": settings, "configured_at": at}
    return alarm_of(alarm.name, record)


def _settings(arguments: Arguments) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name != "Tags" and value is not None}


def _tags(arguments: Arguments) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in arguments.get("Tags") or ()}


def _is_by_name(arguments: Arguments) -> bool:
    return bool(arguments.get("ParentsOfAlarmName") or arguments.get("ChildrenOfAlarmName"))


def _is_asked_for(item: HistoryItem, arguments: Arguments) -> bool:
    start, end = arguments.get("StartDate"), arguments.get("EndDate")
    return (
        arguments.get("AlarmName") in (None, item.alarm)
        and arguments.get("HistoryItemType") in (None, item.item_type)
        and item.alarm_type in (arguments.get("AlarmTypes") or [item.alarm_type])
        and (start is None or item.at >= start.timestamp())
        and (end is None or item.at <= end.timestamp())
    )
