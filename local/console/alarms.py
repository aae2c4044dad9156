"""Every alarm with its state, and one alarm's history, as the page shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from local.deploy.handlers import Clients

STATE_ORDER = {"ALARM": 0, "INSUFFICIENT_DATA": 1, "OK": 2}
HISTORY_ITEMS = 100


def all_alarms(clients: Clients) -> list[dict[str, Any]]:
    """Composite alarms first, then metric alarms; of each, those that are raised first."""
    pages = (
        clients("cloudwatch").get_paginator("describe_alarms").paginate(AlarmTypes=["CompositeAlarm", "MetricAlarm"])
    )
    found = []
    for page in pages:
        found += [_composite(alarm) for alarm in page.get("CompositeAlarms", ())]
        found += [_metric(alarm) for alarm in page.get("MetricAlarms", ())]
    return sorted(
        found, key=lambda alarm: (STATE_ORDER.get(alarm["state"], 3), alarm["kind"] != "composite", alarm["name"])
    )


def history(clients: Clients, name: str) -> list[dict[str, Any]]:
    """What happened to one alarm, the newest first; HISTORY_ITEMS at most."""
    items = clients("cloudwatch").describe_alarm_history(
        AlarmName=name,
        AlarmTypes=["CompositeAlarm", "MetricAlarm"],
        MaxRecords=HISTORY_ITEMS,
        ScanBy="TimestampDescending",
    )["AlarmHistoryItems"]
    return [
        {
            "time": item["Timestamp"].timestamp(),
            "kind": item["HistoryItemType"],
            "summary": item["HistorySummary"],
            "reason": _reason(item),
        }
        for item in items
    ]


def _composite(alarm: Mapping[str, Any]) -> dict[str, Any]:
    return {**_shared(alarm), "kind": "composite", "rule": alarm["AlarmRule"]}


def _metric(alarm: Mapping[str, Any]) -> dict[str, Any]:
    metric = alarm.get("MetricName") or "an expression"
    window = f"{alarm.get('DatapointsToAlarm', alarm['EvaluationPeriods'])} of {alarm['EvaluationPeriods']}"
    return {
        **_shared(alarm),
        "kind": "metric",
        "rule": f"{metric} {alarm['ComparisonOperator']} {alarm.get('Threshold')}, {window} periods",
    }


def _shared(alarm: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": alarm["AlarmName"],
        "state": alarm["StateValue"],
        "since": alarm["StateUpdatedTimestamp"].timestamp(),
        "reason": alarm.get("StateReason", ""),
        "description": alarm.get("AlarmDescription", ""),
        "suppressed": alarm.get("ActionsSuppressedBy") is not None,
    }


def _reason(item: Mapping[str, Any]) -> str:
    if item["HistoryItemType"] != "StateUpdate":
        return ""
    data = json.loads(item.get("HistoryData") or "{}")
    return str(data.get("newState", {}).get("stateReason", ""))
