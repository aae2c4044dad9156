"""Which alarm took a rollout back. SageMaker says that it went back, and not always why."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

KINDS = ["MetricAlarm"]
"""Composite alarms are told only to those who may read every alarm; none of ours takes a rollout back."""


class AlarmReader(Protocol):
    """As much of botocore's CloudWatch client as is needed."""

    def describe_alarms(self, **arguments: Any) -> Any: ...

    def describe_alarm_history(self, **arguments: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class RollbackCause:
    """Of the alarms that watch rollouts, by their names."""

    cloudwatch: AlarmReader
    alarms: Sequence[str]

    def find(self, failure_reason: str, *, begun: datetime, now: datetime) -> str | None:
        """The alarm that SageMaker names; of several, and where it names none, the one that went off first.

        None where SageMaker gives a reason that is none of the alarms: instances that did not start, for example.
        """
        named = [alarm for alarm in self.alarms if _is_named(alarm, failure_reason)]
        if failure_reason and not named and "alarm" not in failure_reason.lower():
            return None
        if len(named) == 1:
            return named[0]
        asked = named or list(self.alarms)
        return self._first_off(asked, begun=begun, now=now) or next(iter(named or self._still_off(asked)), None)

    def _first_off(self, alarms: Sequence[str], *, begun: datetime, now: datetime) -> str | None:
        found = [(moment, alarm) for alarm in alarms if (moment := self._went_off(alarm, begun, now)) is not None]
        return min(found)[1] if found else None

    def _went_off(self, alarm: str, begun: datetime, now: datetime) -> datetime | None:
        page = self.cloudwatch.describe_alarm_history(
            AlarmName=alarm,
            AlarmTypes=KINDS,
            HistoryItemType="StateUpdate",
            StartDate=begun,
            EndDate=now,
            ScanBy="TimestampAscending",
        )
        return next((item["Timestamp"] for item in page["AlarmHistoryItems"] if _is_alarm(item)), None)

    def _still_off(self, alarms: Sequence[str]) -> list[str]:
        if not alarms:
            return []
        found = self.cloudwatch.describe_alarms(AlarmNames=list(alarms), AlarmTypes=KINDS, StateValue="ALARM")
        return [each["AlarmName"] for each in found["MetricAlarms"]]


def _is_named(alarm: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(alarm)}(?![\w-])", text) is not None


def _is_alarm(item: Mapping[str, Any]) -> bool:
    """Whether a history's item is a change to ALARM."""
    data = json.loads(item.get("HistoryData") or "{}")
    return bool(data.get("newState", {}).get("stateValue") == "ALARM")
