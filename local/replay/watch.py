"""What a replay looks at while it runs: alarms that change their state, and in the end the newest report.

Calls block; a replay makes them in threads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.deploy.handlers import Clients
from local.latest_report import latest_report
from local.outputs import by_package, captures_bucket, stack_outputs
from model_packages.errors import OperatorError

ALARM = "ALARM"

_DATAPOINTS = re.compile(r"\[(\S+ \([^)]*\)), [^\]]*\]")
_MINIMUM = re.compile(r" \(minimum [^)]*\)")
_OF_ANOTHER = re.compile(r"arn:\S+:alarm:(\S+) transitioned to (\w+) at .*")


@dataclass(frozen=True, slots=True)
class AlarmChange:
    """An alarm that went into the state ALARM, or left it."""

    at: datetime
    name: str
    before: str
    after: str
    reason: str

    @property
    def raised(self) -> bool:
        return self.after == ALARM

    @property
    def briefly(self) -> str:
        """The reason in a short line: the newest of the datapoints, and what they are compared with."""
        text = _DATAPOINTS.sub(r"[\1, ...]", _MINIMUM.sub("", self.reason))
        return _OF_ANOTHER.sub(r"\1 is \2", text)


@dataclass(slots=True)
class AlarmWatch:
    """Asks what has happened to alarms since it last asked."""

    clients: Clients
    since: datetime
    seen: set[tuple[str, datetime, str]] = field(default_factory=set)

    def changes(self) -> list[AlarmChange]:
        """Oldest first."""
        found = []
        for item in self._history():
            change = _change(item)
            key = (item["AlarmName"], item["Timestamp"], item["HistorySummary"])
            if key in self.seen:
                continue
            self.seen.add(key)
            self.since = max(self.since, item["Timestamp"])
            if ALARM in (change.before, change.after):
                found.append(change)
        return sorted(found, key=lambda change: (change.at, change.name))

    def _history(self) -> Iterator[dict[str, Any]]:
        pages = (
            self.clients("cloudwatch")
            .get_paginator("describe_alarm_history")
            .paginate(
                AlarmTypes=["MetricAlarm", "CompositeAlarm"],
                HistoryItemType="StateUpdate",
                StartDate=self.since,
                ScanBy="TimestampAscending",
            )
        )
        for page in pages:
            yield from page["AlarmHistoryItems"]


def _change(item: dict[str, Any]) -> AlarmChange:
    data = json.loads(item["HistoryData"])
    before, after = data.get("oldState", {}), data.get("newState", {})
    return AlarmChange(
        at=item["Timestamp"],
        name=item["AlarmName"],
        before=str(before.get("stateValue", "")),
        after=str(after.get("stateValue", "")),
        reason=str(after.get("stateReason", "")),
    )


def require_deployed(clients: Clients, package: str) -> str:
    """The name of the package's endpoint. Raises: OperatorError if it is not deployed."""
    deployed = by_package(stack_outputs(clients("cloudformation")))
    if package not in deployed:
        raise OperatorError(
            f"{package} is not deployed; deployed are {', '.join(sorted(deployed)) or 'none'}; "
            "`cdk deploy --all` deploys it, or `flyball down` and `flyball up`"
        )
    return deployed[package]["EndpointName"]


def report_address(clients: Clients, endpoint: str) -> str | None:
    """Where the newest window's report lies in S3; None before the first window."""
    bucket = captures_bucket(stack_outputs(clients("cloudformation")))
    if bucket is None or (key := latest_report(clients("s3"), bucket=bucket, endpoint=endpoint)) is None:
        return None
    return f"s3://{bucket}/{key}"


Say = Callable[[str], None]
