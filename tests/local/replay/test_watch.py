"""How a replay hears of alarms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.replay.watch import AlarmChange, AlarmWatch

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


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (
            "Threshold Crossed: 3 out of the last 24 datapoints [0.5 (28/11/26 14:06:00), 0.0 (28/11/26 13:06:00), "
            "0.0 (28/11/26 12:06:00)] were less than the threshold (1.0) (minimum 3 datapoints for OK -> ALARM "
            "transition).",
            "Threshold Crossed: 3 out of the last 24 datapoints [0.5 (28/11/26 14:06:00), ...] were less than the "
            "threshold (1.0).",
        ),
        (
            "Threshold Crossed: 1 datapoint [4.0 (28/11/26 14:06:00)] was greater than the threshold (3.0).",
            "Threshold Crossed: 1 datapoint [4.0 (28/11/26 14:06:00)] was greater than the threshold (3.0).",
        ),
        (
            "arn:aws:cloudwatch:us-east-1:123456789012:alarm:m-Drift transitioned to ALARM at Saturday 28 November, "
            "2026 14:06:00 UTC",
            "m-Drift is ALARM",
        ),
    ],
)
def test_of_a_reason_only_the_newest_datapoint_is_said(reason: str, said: str) -> None:
    change = AlarmChange(at=START, name="a", before="OK", after="ALARM", reason=reason)

    assert change.briefly == said
