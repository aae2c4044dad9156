"""AWS::CloudWatch::Alarm, CompositeAlarm and Dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from local.deploy.documents import Properties, words
from local.deploy.handlers import AwsResource, Resource
from local.deploy.tags import change_tags, tag_list


class Alarm(AwsResource):
    """A metric alarm."""

    resource_type = "AWS::CloudWatch::Alarm"
    service = "cloudwatch"
    operation = "put_metric_alarm"
    name_properties = ("AlarmName",)
    implemented = words("AlarmName AlarmDescription Tags")
    simulated: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            words("ActionsEnabled AlarmActions OKActions InsufficientDataActions"),
            "stored and reported; no action is taken",
        ),
        **dict.fromkeys(
            words("""
                ComparisonOperator DatapointsToAlarm Dimensions EvaluationPeriods EvaluateLowSampleCountPercentile
                ExtendedStatistic MetricName Metrics Namespace Period Statistic Threshold ThresholdMetricId
                TreatMissingData Unit
            """),
            "stored and reported; an alarm is never evaluated: it changes state by SetAlarmState only",
        ),
    }
    attributes = words("Arn")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("AlarmName") or self.identity.name(limit=255)
        self.refuse_existing("describe_alarms", {"AlarmNames": [name]}, listed="MetricAlarms")
        self.claim(name)
        self.call("put_metric_alarm", {**properties, "AlarmName": name})
        return self._resource(name)

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self.call("put_metric_alarm", {**new, "Tags": None, "AlarmName": physical_id})
        resource = self._resource(physical_id)
        _retag(self, resource.attributes["Arn"], old, new)
        return resource

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_alarms(AlarmNames=[physical_id])

    def _resource(self, name: str) -> Resource:
        return Resource(name, {"Arn": _alarm_arn(self, name)})


class CompositeAlarm(AwsResource):
    """An alarm over alarms. moto has no such thing, so that the stack's state is all there is of it."""

    resource_type = "AWS::CloudWatch::CompositeAlarm"
    service = "cloudwatch"
    name_properties = ("AlarmName",)
    implemented = words("AlarmName")
    simulated: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (
            "AlarmRule",
            "AlarmDescription",
            "ActionsEnabled",
            "AlarmActions",
            "OKActions",
            "InsufficientDataActions",
            "ActionsSuppressor",
            "ActionsSuppressorExtensionPeriod",
            "ActionsSuppressorWaitPeriod",
            "Tags",
        ),
        "kept in the stack's state only; a composite alarm is never evaluated and DescribeAlarms does not show it",
    )
    attributes = words("Arn")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("AlarmName") or self.identity.name(limit=255)
        return Resource(name, {"Arn": _alarm_arn(self, name)})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        return Resource(physical_id, {"Arn": _alarm_arn(self, physical_id)})

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Nothing to do: it stands in the stack's state alone."""


class Dashboard(AwsResource):
    """A dashboard's document."""

    resource_type = "AWS::CloudWatch::Dashboard"
    service = "cloudwatch"
    name_properties = ("DashboardName",)
    implemented = words("DashboardName")
    simulated: ClassVar[Mapping[str, str]] = {
        "DashboardBody": "stored and reported; there is no console here to draw it"
    }

    def create(self, properties: Properties) -> Resource:
        name = properties.get("DashboardName") or self.identity.name(limit=255)
        self.refuse_existing("get_dashboard", {"DashboardName": name})
        self.claim(name)
        self._put(name, properties)
        return Resource(name)

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self._put(physical_id, new)
        return Resource(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_dashboards(DashboardNames=[physical_id])

    def _put(self, name: str, properties: Properties) -> None:
        self.call("put_dashboard", {"DashboardName": name, "DashboardBody": properties["DashboardBody"]})


def _alarm_arn(handler: AwsResource, name: str) -> str:
    place = f"{handler.surroundings.region}:{handler.surroundings.account}"
    return f"arn:aws:cloudwatch:{place}:alarm:{name}"


def _retag(handler: AwsResource, arn: str, old: Properties, new: Properties) -> None:
    change_tags(
        old,
        new,
        put=lambda tags: handler.client.tag_resource(ResourceARN=arn, Tags=tag_list(tags)),
        remove=lambda keys: handler.client.untag_resource(ResourceARN=arn, TagKeys=keys),
    )
