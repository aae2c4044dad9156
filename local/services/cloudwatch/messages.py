"""What is told of an alarm's transition: the message to a topic, the event for a function, the event on the bus."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any, Final

from local.services.cloudwatch.alarm import Alarm, CompositeAlarm, MetricAlarm, Standing
from local.services.cloudwatch.evaluator import Transition
from local.services.cloudwatch.metric import dimensions_in
from local.services.cloudwatch.times import in_json, moment

REGION_NAMES: Final[Mapping[str, str]] = {
    "eu-central-1": "EU (Frankfurt)",
    "eu-west-1": "EU (Ireland)",
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-2": "US West (Oregon)",
}
STATISTICS: Final[Mapping[str, str]] = {
    "Average": "AVERAGE",
    "Maximum": "MAXIMUM",
    "Minimum": "MINIMUM",
    "SampleCount": "SAMPLE_COUNT",
    "Sum": "SUM",
}
SUPPRESSOR: Final = ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")


class AlarmMessages:
    """Of one account and region."""

    def __init__(self, *, account: str, region: str) -> None:
        self._account, self._region = account, region

    def subject(self, transition: Transition) -> str:
        """Of the message to a topic: 100 characters at most."""
        after = transition.after
        where = REGION_NAMES.get(self._region, self._region)
        return f'{after.standing.state}: "{after.name}" in {where}'[:100]

    def message(self, transition: Transition) -> str:
        """To a topic."""
        before, after = transition.before, transition.after
        own = _children(after) if isinstance(after, CompositeAlarm) else _configured(after)
        return json.dumps(
            {
                "AlarmName": after.name,
                "AlarmDescription": after.settings.get("AlarmDescription"),
                "AWSAccountId": self._account,
                "AlarmConfigurationUpdatedTimestamp": in_json(after.configured_at),
                "NewStateValue": after.standing.state,
                "NewStateReason": after.standing.reason,
                "StateChangeTime": in_json(after.standing.updated_at),
                "Region": REGION_NAMES.get(self._region, self._region),
                "AlarmArn": after.arn,
                "OldStateValue": before.standing.state,
                "OKActions": list(after.settings.get("OKActions") or ()),
                "AlarmActions": list(after.settings.get("AlarmActions") or ()),
                "InsufficientDataActions": list(after.settings.get("InsufficientDataActions") or ()),
                **own,
            }
        )

    def invocation(self, transition: Transition) -> dict[str, Any]:
        """The event for a function."""
        after = transition.after
        return {
            "source": "aws.cloudwatch",
            "alarmArn": after.arn,
            "accountId": self._account,
            "time": in_json(after.standing.updated_at),
            "region": self._region,
            "alarmData": _data(transition),
        }

    def event(self, transition: Transition) -> dict[str, Any]:
        """The event on the default bus."""
        after = transition.after
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "CloudWatch Alarm State Change",
            "source": "aws.cloudwatch",
            "account": self._account,
            "time": f"{moment(after.standing.updated_at):%Y-%m-%dT%H:%M:%SZ}",
            "region": self._region,
            "resources": [after.arn],
            "detail": _data(transition),
        }


def _data(transition: Transition) -> dict[str, Any]:
    before, after = transition.before, transition.after
    return {
        "alarmName": after.name,
        "state": {**_state(after.standing), **_suppressed(after)},
        "previousState": {**_state(before.standing), **_suppressed(before)},
        "configuration": _configuration(after),
    }


def _state(standing: Standing) -> dict[str, str]:
    data = {"reasonData": standing.reason_data} if standing.reason_data else {}
    value, at = standing.state.value, in_json(standing.updated_at)
    return {"value": value, "reason": standing.reason, **data, "timestamp": at}


def _suppressed(alarm: Alarm) -> dict[str, str]:
    held = alarm.suppression if isinstance(alarm, CompositeAlarm) else None
    if held is None:
        return {}
    return {"actionsSuppressedBy": held.by, "actionsSuppressedReason": f"Actions suppressed by {held.by}"}


def _configuration(alarm: Alarm) -> dict[str, Any]:
    described = alarm.settings.get("AlarmDescription")
    description = {"description": described} if described else {}
    if isinstance(alarm, CompositeAlarm):
        given = {_lower(name): alarm.settings[name] for name in SUPPRESSOR if alarm.settings.get(name) is not None}
        return {**description, "alarmRule": alarm.settings["AlarmRule"], **given}
    return {**description, "metrics": _metrics(alarm)}


def _metrics(alarm: Alarm) -> list[dict[str, Any]]:
    if alarm.settings.get("Metrics"):
        return [_query(document) for document in alarm.settings["Metrics"]]
    settings = alarm.settings
    stat = {
        "metric": _metric(settings),
        "period": settings["Period"],
        "stat": settings.get("ExtendedStatistic") or settings["Statistic"],
        **({"unit": settings["Unit"]} if settings.get("Unit") else {}),
    }
    return [{"id": str(uuid.uuid5(uuid.NAMESPACE_OID, alarm.arn)), "metricStat": stat, "returnData": True}]


def _query(document: Mapping[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = {"id": document["Id"], "returnData": document.get("ReturnData", True) is not False}
    if document.get("Label"):
        own["label"] = document["Label"]
    if document.get("Expression"):
        return {**own, "expression": document["Expression"]}
    stat = document["MetricStat"]
    return {**own, "metricStat": {"metric": _metric(stat["Metric"]), "period": stat["Period"], "stat": stat["Stat"]}}


def _metric(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "namespace": document["Namespace"],
        "name": document["MetricName"],
        "dimensions": dict(dimensions_in(document)),
    }


def _configured(alarm: Alarm) -> dict[str, Any]:
    """The Trigger of a metric alarm's message."""
    settings = alarm.settings
    needed = {"DatapointsToAlarm": settings["DatapointsToAlarm"]} if settings.get("DatapointsToAlarm") else {}
    missing = alarm.rule.missing.value if isinstance(alarm, MetricAlarm) else ""
    return {
        "Trigger": {
            **_triggering_metric(settings),
            "EvaluationPeriods": settings["EvaluationPeriods"],
            **needed,
            "ComparisonOperator": settings["ComparisonOperator"],
            "Threshold": float(settings["Threshold"]),
            "TreatMissingData": missing,
            "EvaluateLowSampleCountPercentile": settings.get("EvaluateLowSampleCountPercentile") or "",
        }
    }


def _triggering_metric(settings: Mapping[str, Any]) -> dict[str, Any]:
    if settings.get("Metrics"):
        return {"Metrics": [_as_sent(document) for document in settings["Metrics"]]}
    extended = settings.get("ExtendedStatistic")
    kind = (
        {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": extended}
        if extended
        else {
            "StatisticType": "Statistic",
            "Statistic": STATISTICS[settings["Statistic"]],
        }
    )
    return {
        "MetricName": settings["MetricName"],
        "Namespace": settings["Namespace"],
        **kind,
        "Unit": settings.get("Unit"),
        "Dimensions": [{"value": value, "name": name} for name, value in dimensions_in(settings)],
        "Period": settings["Period"],
    }


def _as_sent(document: Mapping[str, Any]) -> dict[str, Any]:
    stat = document.get("MetricStat")
    if not stat:
        return dict(document)
    metric = stat["Metric"]
    dimensions = [{"value": value, "name": name} for name, value in dimensions_in(metric)]
    return {**document, "MetricStat": {**stat, "Metric": {**metric, "Dimensions": dimensions}}}


def _children(alarm: Alarm) -> dict[str, Any]:
    data = json.loads(alarm.standing.reason_data or "{}")
    children = [
        {"Arn": entry["arn"], "State": {"Value": entry["state"]["value"], "Timestamp": entry["state"]["timestamp"]}}
        for entry in data.get("triggeringAlarms") or ()
    ]
    return {"AlarmRule": alarm.settings["AlarmRule"], "TriggeringChildren": children}


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]
