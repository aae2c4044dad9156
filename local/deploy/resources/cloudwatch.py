"""AWS::CloudWatch::Alarm, CompositeAlarm and Dashboard."""

from __future__ import annotations

from local.deploy.documents import Properties, words
from local.deploy.handlers import AwsResource, Resource
from local.deploy.tags import change_tags, tag_list


class Alarm(AwsResource):
    """A metric alarm."""

    resource_type = "AWS::CloudWatch::Alarm"
    service = "cloudwatch"
    operation = "put_metric_alarm"
    name_properties = ("AlarmName",)
    implemented = words("""
        ActionsEnabled AlarmActions AlarmDescription AlarmName ComparisonOperator DatapointsToAlarm Dimensions
        EvaluateLowSampleCountPercentile EvaluationPeriods ExtendedStatistic InsufficientDataActions MetricName Metrics
        Namespace OKActions Period Statistic Tags Threshold TreatMissingData Unit
    """)
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
    """An alarm over alarms."""

    resource_type = "AWS::CloudWatch::CompositeAlarm"
    service = "cloudwatch"
    operation = "put_composite_alarm"
    name_properties = ("AlarmName",)
    implemented = words("""
        ActionsEnabled ActionsSuppressor ActionsSuppressorExtensionPeriod ActionsSuppressorWaitPeriod AlarmActions
        AlarmDescription AlarmName AlarmRule InsufficientDataActions OKActions Tags
    """)
    attributes = words("Arn")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("AlarmName") or self.identity.name(limit=255)
        asked = {"AlarmNames": [name], "AlarmTypes": ["CompositeAlarm"]}
        self.refuse_existing("describe_alarms", asked, listed="CompositeAlarms", words=f"{name} already exists")
        self.claim(name)
        self.call("put_composite_alarm", {**properties, "AlarmName": name})
        return Resource(name, {"Arn": _alarm_arn(self, name)})

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self.call("put_composite_alarm", {**new, "Tags": None, "AlarmName": physical_id})
        arn = _alarm_arn(self, physical_id)
        _retag(self, arn, old, new)
        return Resource(physical_id, {"Arn": arn})

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_alarms(AlarmNames=[physical_id])


class Dashboard(AwsResource):
    """A dashboard's document."""

    resource_type = "AWS::CloudWatch::Dashboard"
    service = "cloudwatch"
    name_properties = ("DashboardName",)
    implemented = words("DashboardBody DashboardName")

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
