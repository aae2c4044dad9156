"""How a replay hears of alarms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from local.replay.watch import AlarmWatch

START = datetime(2026, 1, 1, tzinfo=UTC)


class History:
    """CloudWatch, as far as a watch asks it; `items` grow."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.asked_since: list[datetime] = []

    def get_paginator(self, name: str) -> History:
        assert name == "describe_alarm_history"
        return self

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        assert asked["HistoryItemType"] == "StateUpdate"
        self.asked_since.append(asked["StartDate"])
        since = asked["StartDate"]
        yield {"AlarmHistoryItems": [item for item in self.items if item["Timestamp"] >= since]}

    def happen(self, minute: int, name: str, before: str, after: str) -> None:
        data = {"oldState": {"stateValue": before}, "newState": {"stateValue": after, "stateReason": "because"}}
        self.items.append(
            {
                "AlarmName": name,
                "Timestamp": START + timedelta(minutes=minute),
                "HistorySummary": f"Alarm updated from {before} to {after}",
                "HistoryData": json.dumps(data),
            }
        )


def test_a_change_is_told_once_and_only_if_it_is_about_an_alarm_that_is_or_was_on() -> None:
    history = History()
    watch = AlarmWatch(lambda _service: history, since=START)

    history.happen(1, "a", "INSUFFICIENT_DATA", "OK")
    history.happen(2, "b", "OK", "ALARM")
    first = watch.changes()
    history.happen(2, "c", "OK", "ALARM")
    history.happen(3, "b", "ALARM", "OK")
    second = watch.changes()

    assert [(change.name, change.after, change.reason) for change in first] == [("b", "ALARM", "because")]
    assert [(change.name, change.raised) for change in second] == [("c", True), ("b", False)]
    assert watch.changes() == []
    assert history.asked_since == [START, START + timedelta(minutes=2), START + timedelta(minutes=3)]
