"""What has become of alarms: configurations, states and actions, kept for 30 days by the cloud's clock."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.documents import Documents
from local.services.cloudwatch.alarm import Alarm, Standing
from local.services.cloudwatch.times import moment

KEPT_SECONDS: Final = 30 * 86_400
MOST_ITEMS: Final = 50_000


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """One thing that happened; `data` is JSON."""

    number: int
    alarm: str
    alarm_type: str
    at: float
    item_type: str
    summary: str
    data: str

    def described(self) -> dict[str, Any]:
        """As DescribeAlarmHistory gives it."""
        return {
            "AlarmName": self.alarm,
            "AlarmType": self.alarm_type,
            "Timestamp": moment(self.at),
            "HistoryItemType": self.item_type,
            "HistorySummary": self.summary,
            "HistoryData": self.data,
        }


class AlarmHistory:
    """In memory; `flush` puts on disk what is not there yet."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._items: deque[HistoryItem] = deque(
            HistoryItem(int(key), *record["item"]) for key, record in documents.items()
        )
        self._next = self._items[-1].number + 1 if self._items else 1
        self._unwritten: deque[HistoryItem] = deque()
        self._gone: deque[int] = deque()

    def configured(self, alarm: Alarm, what: str, *, at: float) -> None:
        """An alarm was created, updated or deleted."""
        updated = {key: value for key, value in alarm.described().items() if not key.startswith("State")}
        data = {"version": "1.0", "type": what, _WORDS[what]: _plain(updated)}
        self._add(alarm, at, "ConfigurationUpdate", f'Alarm "{alarm.name}" {what.lower()}d', data)

    def changed(self, before: Alarm, after: Alarm) -> None:
        """An alarm has another state."""
        old, new = before.standing, after.standing
        data = {"version": "1.0", "oldState": _state(old), "newState": _state(new)}
        self._add(after, new.updated_at, "StateUpdate", f"Alarm updated from {old.state} to {new.state}", data)

    def acted(self, alarm: Alarm, action: str, *, at: float, error: str = "") -> None:
        """An action was taken, or could not be."""
        outcome = "Failed" if error else "Succeeded"
        summary = (
            f"Failed to execute action {action}. Received error: {error}"
            if error
            else (f"Successfully executed action {action}")
        )
        data = {"actionState": outcome, "notificationResource": action, "stateUpdateTimestamp": int(at * 1000)}
        self._add(alarm, at, "Action", summary, {**data, "error": error or None})

    def items(self) -> Iterator[HistoryItem]:
        """Everything, the oldest first."""
        return iter(list(self._items))

    def flush(self) -> None:
        """Raises: StateNotWritten if the disk is full; then it is tried again."""
        while self._unwritten:
            item = self._unwritten[0]
            entry = [item.alarm, item.alarm_type, item.at, item.item_type, item.summary, item.data]
            self._documents.put(f"{item.number:010d}", {"item": entry})
            self._unwritten.popleft()
        while self._gone:
            self._documents.delete(f"{self._gone[0]:010d}")
            self._gone.popleft()

    def _add(self, alarm: Alarm, at: float, item_type: str, summary: str, data: Mapping[str, Any]) -> None:
        kind = type(alarm).__name__
        item = HistoryItem(self._next, alarm.name, kind, at, item_type, summary, json.dumps(data))
        self._next += 1
        self._items.append(item)
        self._unwritten.append(item)
        while self._items[0].at < at - KEPT_SECONDS or len(self._items) > MOST_ITEMS:
            self._gone.append(self._items.popleft().number)


_WORDS: Final = {"Create": "createdAlarm", "Update": "updatedAlarm", "Delete": "deletedAlarm"}


def _state(standing: Standing) -> dict[str, Any]:
    data = {"stateReasonData": json.loads(standing.reason_data)} if standing.reason_data else {}
    return {"stateValue": standing.state, "stateReason": standing.reason, **data}


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key[0].lower() + key[1:]: value.isoformat() if hasattr(value, "isoformat") else value
        for key, value in document.items()
    }
