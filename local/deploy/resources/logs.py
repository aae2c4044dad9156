"""AWS::Logs::LogGroup and AWS::Logs::MetricFilter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from local.deploy.documents import Properties, words
from local.deploy.errors import ResourceFailed
from local.deploy.handlers import AwsResource, Resource
from local.deploy.tags import change_tags, tag_map


class LogGroup(AwsResource):
    """A log group and how long it keeps its events."""

    resource_type = "AWS::Logs::LogGroup"
    service = "logs"
    name_properties = ("LogGroupName",)
    implemented = words("LogGroupName Tags")
    simulated: ClassVar[Mapping[str, str]] = {
        "RetentionInDays": "stored and reported; events stay until the local cloud ends",
        "KmsKeyId": "reported as it was at creation; events lie unencrypted on this machine's disk",
        "LogGroupClass": "kept in the stack's state only; every group answers as STANDARD does",
    }
    attributes = words("Arn")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("LogGroupName") or self.identity.name(limit=512)
        self.call(
            "create_log_group",
            {"logGroupName": name, "kmsKeyId": properties.get("KmsKeyId"), "tags": tag_map(properties)},
        )
        with self.created(name):
            self._retain(name, properties)
        return self._resource(name)

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self._retain(physical_id, new)
        change_tags(
            old,
            new,
            put=lambda tags: self.client.tag_log_group(logGroupName=physical_id, tags=tags),
            remove=lambda keys: self.client.untag_log_group(logGroupName=physical_id, tags=keys),
        )
        return self._resource(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_log_group(logGroupName=physical_id)

    def _retain(self, name: str, properties: Properties) -> None:
        if "RetentionInDays" in properties:
            arguments = {"logGroupName": name, "retentionInDays": properties["RetentionInDays"]}
            self.call("put_retention_policy", arguments)
        else:
            self.client.delete_retention_policy(logGroupName=name)

    def _resource(self, name: str) -> Resource:
        place = f"{self.surroundings.region}:{self.surroundings.account}"
        return Resource(name, {"Arn": f"arn:aws:logs:{place}:log-group:{name}:*"})


class MetricFilter(AwsResource):
    """A filter that turns log events into a metric."""

    resource_type = "AWS::Logs::MetricFilter"
    service = "logs"
    operation = "put_metric_filter"
    name_properties = ("LogGroupName", "FilterName")
    implemented = words("FilterName FilterPattern LogGroupName MetricTransformations")

    def create(self, properties: Properties) -> Resource:
        name = properties.get("FilterName") or self.identity.name(limit=512)
        here = {"logGroupName": properties["LogGroupName"], "filterNamePrefix": name}
        found = self.client.describe_metric_filters(**here)["metricFilters"]
        if any(entry["filterName"] == name for entry in found):
            raise ResourceFailed(f"metric filter {name} already exists", code="AlreadyExists")
        self.claim(name)
        self._put(name, properties)
        return Resource(name)

    def update(self, physical_id: str, old: Properties, new: Properties) -> Resource:
        self._put(physical_id, new)
        return Resource(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        self.client.delete_metric_filter(logGroupName=properties["LogGroupName"], filterName=physical_id)

    def _put(self, name: str, properties: Properties) -> None:
        transformations = [
            {
                **transformation,
                "dimensions": {
                    dimension["Key"]: dimension["Value"] for dimension in transformation.get("Dimensions", [])
                },
            }
            for transformation in properties["MetricTransformations"]
        ]
        for transformation in transformations:
            transformation.pop("Dimensions", None)
        self.call(
            "put_metric_filter",
            {**properties, "FilterName": name, "MetricTransformations": transformations},
        )
